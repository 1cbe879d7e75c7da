"""Packs are made one pair at a time by a process of its own, offered once proved, and dropped when they are useless."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.devices.leave import Offered
from surefoot_server.devices.models import DeviceComponent
from surefoot_server.packs import service
from surefoot_server.packs.models import PackPair
from surefoot_server.packs.orders import Answer, Order
from surefoot_server.packs.planning import Pair
from surefoot_server.packs.service import Failed, PackService, shown
from surefoot_shared.pack import WHOLE
from tests.server.releases import shelf
from tests.server.rig import NOW, Rig

LIMIT = 1 << 30


def fleet(rig: Rig, folder: Path) -> Pair:
    """Two published releases, one of which three devices run; returns the pair that they need."""
    old = shelf.publish(rig, shelf.make(rig, folder, "1.1", "count"))
    new = shelf.publish(rig, shelf.make(rig, folder, "1.2", "bicycles"))
    for n in range(3):
        rig.device(f"cam-{n}")
        with rig.db.write() as session:
            session.add(DeviceComponent(device_id=f"cam-{n}", component="app", digest=old.digest, updated_at=NOW))
    return Pair(old.digest, new.digest)


class Here(PackService):
    """Makes packs in this process: what the process of its own does is shown with the child."""

    orders: list[Order]
    fails = ""

    def _start(self, order: Order) -> Answer:
        from surefoot_server.packs.child import make

        self.orders = [*getattr(self, "orders", []), order]
        if self.fails:
            raise Failed(self.fails)
        return make(order)


@pytest.fixture
def packs(rig: Rig) -> Here:
    return Here(rig.db, rig.state.blobs, LIMIT)


def test_what_devices_run_is_made_first_then_the_whole_then_nothing(rig: Rig, packs: Here, tmp_path: Path) -> None:
    pair = fleet(rig, tmp_path)

    made = [packs.work(NOW) for _ in range(3)]

    assert made == [pair, Pair(WHOLE, pair.to_digest), None]
    with rig.db.read() as session:
        offered = packs.offers(session, [pair.from_digest], pair.to_digest)
    both = {pair.from_digest, WHOLE}
    assert {pack.from_digest for pack in offered.packs} == {pack.from_digest for pack in offered.manifest_packs} == both
    assert all(rig.state.blobs.is_whole(pack.sha256) for pack in offered.packs + offered.manifest_packs)


def test_a_pair_that_failed_says_why_and_is_tried_again_after_a_day(rig: Rig, packs: Here, tmp_path: Path) -> None:
    pair = fleet(rig, tmp_path)
    packs.fails = "A blob is gone."
    packs.work(NOW)
    packs.fails = ""

    assert packs.work(NOW) == Pair(WHOLE, pair.to_digest)
    with rig.db.read() as session:
        failed = next(one for one in shown(session, "app", pair.to_digest) if one.from_digest)
    assert (failed.state, failed.reason, failed.from_release, failed.devices) == (
        "failed",
        "A blob is gone.",
        "app/1.1",
        3,
    )
    assert packs.work(NOW + service.RETRY_AFTER * 2) == pair


def test_packs_that_nobody_can_use_any_more_are_removed_with_their_blobs(rig: Rig, packs: Here, tmp_path: Path) -> None:
    pair = fleet(rig, tmp_path)
    packs.work(NOW)
    with rig.db.read() as session:
        (patch,) = packs.offers(session, [pair.from_digest], pair.to_digest).packs
    for n in range(3):
        with rig.db.write() as session:
            row = session.get(DeviceComponent, (f"cam-{n}", "app"))
            assert row is not None
            row.digest = pair.to_digest
            session.add(row)

    packs.work(NOW)

    assert not rig.state.blobs.has(patch.sha256)


def test_packs_beyond_their_room_go_and_are_not_made_again_at_once(rig: Rig, tmp_path: Path) -> None:
    pair = fleet(rig, tmp_path)
    packs = Here(rig.db, rig.state.blobs, 10)

    made = [packs.work(NOW) for _ in range(5)]

    assert made == [pair, Pair(WHOLE, pair.to_digest), None, None, None]
    with rig.db.read() as session:
        assert packs.offers(session, [pair.from_digest], pair.to_digest) == Offered()
        reasons = {one.reason for one in shown(session, "app", pair.to_digest)}
    assert reasons == {"Its packs alone are larger than packs_limit_bytes."}


def test_of_packs_that_have_no_room_together_those_that_fewest_can_use_go(rig: Rig, tmp_path: Path) -> None:
    pair, here = fleet(rig, tmp_path), Here(rig.db, rig.state.blobs, LIMIT)
    while here.work(NOW):
        pass
    with rig.db.read() as session:
        together = sum(one.size_bytes for one in shown(session, "app", pair.to_digest))

    Here(rig.db, rig.state.blobs, together - 1).work(NOW)

    with rig.db.read() as session:
        states = {one.from_digest: one.reason for one in shown(session, "app", pair.to_digest)}
    assert states == {pair.from_digest: "", WHOLE: service.NO_ROOM}


def test_no_room_at_all_makes_none(rig: Rig, tmp_path: Path) -> None:
    fleet(rig, tmp_path)

    assert Here(rig.db, rig.state.blobs, 0).work(NOW) is None


def test_a_blob_that_is_gone_is_a_pair_that_failed_and_no_fault_of_the_server(
    rig: Rig, packs: Here, tmp_path: Path
) -> None:
    pair = fleet(rig, tmp_path)
    rig.state.blobs.remove(pair.from_digest)

    packs.work(NOW)

    with rig.db.read() as session:
        row = session.get(PackPair, (pair.from_digest, pair.to_digest))
    assert row is not None
    assert (row.state, "no blob" in row.reason) == ("failed", True)


@pytest.mark.slow
def test_the_real_process_makes_packs_and_a_stop_ends_it(rig: Rig, tmp_path: Path) -> None:
    pair = fleet(rig, tmp_path)
    packs = PackService(rig.db, rig.state.blobs, LIMIT)

    assert packs.work(NOW) == pair
    packs.stop()

    assert packs.work(NOW) is None
    with rig.db.read() as session:
        assert len(packs.offers(session, [pair.from_digest], pair.to_digest).packs) == 1
    assert list(rig.state.blobs.partial.iterdir()) == []
