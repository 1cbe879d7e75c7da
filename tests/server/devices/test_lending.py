"""A lease says where, how fast, how soon and what is cheaper than the whole; the token in it serves one device."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from surefoot_server.devices.leave import Offered, Rates, Ways
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.models import Assignment, DeviceComponent
from surefoot_shared.messages import Lease, Pack
from surefoot_shared.pack import Encoding
from tests.server.rig import NOW, Rig, digest

URL = "https://server:8443/api/v1/blobs/"
OLD, OLDER = digest("app/1.0"), digest("app/0.9")


def lent(rig: Rig, lending: Lending, row: Assignment, left_s: float = 1e9) -> Lease:
    with rig.db.write() as session:
        found = lending.lend(session, session.merge(row), left_s, NOW)
    assert found is not None
    return found


def assigned(rig: Rig, *names: str) -> list[Assignment]:
    rig.release("app/1.1")
    for name in names:
        rig.device(name)
        with rig.db.write() as session:
            slots = {"A": {"digest": OLD}, "B": {"digest": OLDER}, "C": {}}
            session.add(DeviceComponent(device_id=name, component="app", digest=OLD, slots=slots, updated_at=NOW))
    return [rig.assign(name, "app/1.1") for name in names]


def test_the_packs_offered_are_those_for_what_both_slots_hold(rig: Rig) -> None:
    (row,) = assigned(rig, "cam-1")
    pack = Pack(OLDER, row.digest, "3" * 64, 5, Encoding.XZ, 9)
    manifest_pack = Pack(OLDER, row.digest, "4" * 64, 2, Encoding.XZ, 3)
    asked: list[tuple[Sequence[str], str]] = []

    def offers(_session: Session, held: Sequence[str], to_digest: str) -> Offered:
        asked.append((held, to_digest))
        return Offered((pack,), (manifest_pack,))

    lease = lent(rig, Lending(rig.state.leases, URL, offers=offers), row)

    assert (lease.packs, lease.manifest_packs) == ((pack,), (manifest_pack,))
    assert asked == [((OLD, OLDER), row.digest)]


def test_devices_of_a_site_share_its_rate(rig: Rig) -> None:
    rows = assigned(rig, "cam-1", "cam-2")

    lease = lent(rig, Lending(rig.state.leases, URL, Rates(site_bytes_per_s=1_000_000)), rows[0])

    assert lease.rate_bytes_per_s == 500_000


def test_a_lease_ends_with_the_window_in_which_it_may_be_used(rig: Rig) -> None:
    (row,) = assigned(rig, "cam-1")

    assert lent(rig, Lending(rig.state.leases, URL), row, left_s=42.0).valid_s == 42.0


def test_the_token_is_in_the_address_where_there_is_no_tls_and_never_in_clear_elsewhere(rig: Rig) -> None:
    (row,) = assigned(rig, "cam-1")

    lease = lent(rig, Lending(rig.state.leases, URL, ways=Ways(plain_url="http://server:8081/")), row)

    plain, secure = lease.sources
    assert (plain.url, plain.token, secure.url) == (f"http://server:8081/{secure.token}/", "", URL)
    assert rig.state.leases.check(secure.token, NOW) == "cam-1"
