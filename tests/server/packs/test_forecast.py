"""What devices would fetch at most, by what they run."""

from __future__ import annotations

from surefoot_server.devices import repository as devices
from surefoot_server.packs import forecast
from surefoot_server.packs.forecast import Download
from surefoot_server.packs.models import PackPair, PackRow
from tests.server.rig import NOW, Rig, digest
from tests.server.rollouts.fleet import Fleet


def read(rig: Rig, *names: str) -> list[Download]:
    with rig.db.read() as session:
        return forecast.downloads(session, devices.release(session, "app/1.1"), names)


def pack(rig: Rig, size: int, part: int = 0) -> None:
    old, new = digest("app/1.0"), digest("app/1.1")
    with rig.db.write() as session:
        if not part:
            session.add(PackPair(from_digest=old, to_digest=new, state="ready", made_at=NOW))
        session.add(
            PackRow(
                sha256=f"{part}" * 64,
                from_digest=old,
                to_digest=new,
                part=part,
                size_bytes=size,
                encoding="zstd",
                decoded_bytes=900,
            )
        )


def test_without_a_pack_it_is_the_whole_release_for_each(rig: Rig) -> None:
    fleet = Fleet(rig)

    assert read(rig, *fleet.names) == [Download("app/1.0", 12, 1000, False)]


def test_a_pack_makes_it_less_with_all_of_its_parts(rig: Rig) -> None:
    fleet = Fleet(rig)
    pack(rig, 100)
    pack(rig, 20, 1)

    (found,) = read(rig, *fleet.names)

    assert found == Download("app/1.0", 12, 120, True)
    assert found.total_bytes == 1440


def test_a_pack_that_is_larger_than_the_release_is_not_counted(rig: Rig) -> None:
    fleet = Fleet(rig)
    pack(rig, 5000)

    assert read(rig, fleet.names[0]) == [Download("app/1.0", 1, 1000, False)]


def test_a_device_that_said_nothing_fetches_everything(rig: Rig) -> None:
    Fleet(rig)
    rig.device("new-1")

    assert read(rig, "new-1") == [Download(None, 1, 1000, False)]
