"""Packs are found by what a device holds; what devices run and are sent to is counted."""

from __future__ import annotations

from surefoot_server.devices.models import DeviceComponent
from surefoot_server.packs import repository
from surefoot_server.packs.models import PackPair
from surefoot_server.packs.planning import Kept, Pair
from surefoot_shared.messages import Pack
from surefoot_shared.pack import WHOLE, Encoding
from tests.server.rig import NOW, Rig, digest

A, B, NEW = digest("app/1.0"), digest("app/1.1"), digest("app/1.2")


def store(rig: Rig, start: str, *sizes: int, state: str = "ready") -> list[Pack]:
    packs = [Pack(start, NEW, digest(f"{start}{n}"), size, Encoding.XZ, size) for n, size in enumerate(sizes)]
    with rig.db.write() as session:
        repository.store(session, PackPair(from_digest=start, to_digest=NEW, state=state, made_at=NOW), packs)
    return packs


def test_a_device_is_offered_what_starts_from_what_it_holds_the_cheapest_pair_first(rig: Rig) -> None:
    whole, patches = store(rig, WHOLE, 90, 900, 800), store(rig, A, 1, 5, 4)
    store(rig, B, 3)

    with rig.db.read() as session:
        assert repository.offers(session, [A], NEW) == [*patches[1:], *whole[1:]]
        assert repository.offers(session, [A], NEW, of_manifest=True) == [patches[0], whole[0]]
        assert repository.offers(session, [], NEW) == whole[1:]
        assert repository.offers(session, [A], B) == []


def test_storing_a_pair_again_replaces_its_packs_and_forgetting_names_its_blobs(rig: Rig) -> None:
    store(rig, A, 5, 4)
    (again,) = store(rig, A, 7)

    with rig.db.write() as session:
        assert repository.kept(session) == [Kept(Pair(A, NEW), 7)]
        assert repository.forget(session, Pair(A, NEW)) == [again.sha256]
        assert repository.done(session) == set()


def test_what_devices_run_and_where_they_are_sent_is_counted(rig: Rig) -> None:
    for release in ("app/1.0", "app/1.1", "app/1.2"):
        rig.release(release)
    for n in range(3):
        rig.device(f"cam-{n}")
        with rig.db.write() as session:
            session.add(DeviceComponent(device_id=f"cam-{n}", component="app", digest=A if n else B, updated_at=NOW))
    rig.assign("cam-1", "app/1.1")

    with rig.db.read() as session:
        assert repository.running(session) == {("app", A): 2, ("app", B): 1}
        assert repository.aims(session) == {("app", B), ("app", NEW)}
        assert repository.known(session, [A, "f" * 64]) == {A}


def test_a_failed_pair_is_kept_without_packs(rig: Rig) -> None:
    store(rig, A, state="failed")

    with rig.db.read() as session:
        assert repository.kept(session) == [Kept(Pair(A, NEW), 0)]
        assert repository.failed_before(session, NOW) == []
