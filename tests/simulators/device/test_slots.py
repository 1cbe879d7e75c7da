"""Simulated slots keep the contract of all slots, and add a disk that fills up and flash that rots."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent import ports
from surefoot_agent.ports import Slots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import digest_of
from surefoot_shared.status import SlotName
from surefoot_simulators.device.board import Board
from surefoot_simulators.device.slots import SimSlots
from tests.agent.slots.contract import Offer, SlotsContract
from tests.agent.test_ports import methods
from tests.agent.trees import release

B = SlotName.B
FILES = {"bin/camera": b"\x01" * 40_000, "model": b"the same in both" * 100}


def offer(version: str, files: dict[str, bytes]) -> Offer:
    return Offer(release(files, version, ("bin/camera",)), {digest_of(content): content for content in files.values()})


@pytest.fixture
def slots(tmp_path: Path) -> SimSlots:
    return SimSlots(tmp_path, Board("cam-1", lambda: 0.0, datetime(2030, 1, 1, tzinfo=timezone.utc)))


@pytest.fixture
def offers() -> list[Offer]:
    return [offer("1.0", FILES), offer("1.1", {**FILES, "bin/camera": b"\x02" * 30_000})]


class TestSimSlots(SlotsContract):
    def damage(self, slots: Slots, slot: SlotName, offer: Offer) -> None:
        assert isinstance(slots, SimSlots)
        slots.rot(slot)

    def reopened(self, slots: Slots) -> Slots:
        return slots  # the medium is this very object


def test_they_have_every_method_of_their_port() -> None:
    assert methods(ports.Slots).keys() <= methods(SimSlots).keys()


def test_a_release_is_as_large_as_the_scenario_says(tmp_path: Path) -> None:
    board = Board("cam-1", lambda: 0.0, datetime(2030, 1, 1, tzinfo=timezone.utc))
    slots = SimSlots(tmp_path, board, lambda size: size * 10_000)
    slots.free_bytes = 5_000_000

    with pytest.raises(InstallFailed, match="needs 10000000 bytes"):
        slots.room(1000, 3, B)


def test_a_disk_that_fills_up_in_the_middle_ends_the_write(slots: SimSlots, offers: list[Offer]) -> None:
    slots.begin(B, offers[0].manifest, offers[0].raw)
    slots.free_bytes = 10

    with pytest.raises(InstallFailed) as caught:
        slots.write(B, slots.missing(B)[0], lambda _offset: [b"x"])

    assert caught.value.kind == "no_space"
