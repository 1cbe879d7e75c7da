"""A real bootloader, a real kernel and the real agent: every release ends committed, or back with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from surefoot_shared.status import SlotName
from surefoot_simulators.demo.seen import SeenAssignment
from tests.power import disk
from tests.power.camera import ENTERED, LABELS, Camera
from tests.power.factory import make_camera
from tests.power.marks import ON_THE_MACHINE
from tests.power.site import Site
from tests.power.slots import BROKEN, HASTY, JUNK, MUTE, NO_INIT, NO_KERNEL, NONE, PANIC, Mishap

pytestmark = ON_THE_MACHINE
TRIES = 3
"""Starts that U-Boot grants a slot on trial."""


@dataclass
class Standing:
    """Where the camera stands before a case: on, in contact, on a committed release; each case leaves it so."""

    site: Site
    camera: Camera
    numbers: Iterator[int]
    version: str
    way_back: bool = False
    """Whether the other slot holds a good release."""

    @property
    def slot(self) -> str:
        return self.site.server.api.devices()[self.camera.device].slot or "A"

    @property
    def other(self) -> str:
        return SlotName(self.slot).other.value

    def stand(self) -> None:
        if not self.camera.is_on:
            self.camera.on()
        self.site.wait(lambda: self.site.runs(self.camera.device, self.version), f"the camera on {self.version}")

    def update(self, mishap: Mishap = NONE, limit_s: float = 600.0) -> SeenAssignment:
        """Publish one more release, roll it out to the camera and return how that ended."""
        version = f"1.{next(self.numbers)}"
        self.site.release(version, mishap)
        rollout = self.site.update(version, self.camera.device)
        self.site.wait(lambda: self.site.outcome(self.camera.device, version), f"the outcome of {version}", limit_s)
        self.site.wait(lambda: self.site.is_over(rollout), f"the end of the rollout of {version}")
        ended = self.site.outcome(self.camera.device, version)
        assert ended is not None
        return ended

    def starts(self) -> list[str]:
        """The slots that the bootloader entered since the camera was switched on."""
        return [found[1] for found in self.camera.machine.said(ENTERED)]


@pytest.fixture(scope="module")
def only_camera(
    site: Site, firmware: Path, numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    folder, version = tmp_path_factory.mktemp("camera"), f"1.{next(numbers)}"
    camera = make_camera(site, folder, firmware, site.release(version), seed=1)
    try:
        yield Standing(site, camera, numbers, version)
    finally:
        camera.close()


@pytest.fixture
def standing(only_camera: Standing) -> Standing:
    only_camera.stand()
    return only_camera


def test_a_good_update_is_committed_and_the_machine_boots_into_it_once_more(standing: Standing) -> None:
    camera, new, before = standing.camera, standing.other, len(standing.starts())

    ended = standing.update()
    camera.machine.reset()
    camera.machine.expect("from=committing to=idle")
    entered, state, following = camera.boots_to_agent()

    assert ended.outcome == "committed"
    assert (entered, state, following) == (new, "idle", "settled")
    assert standing.starts()[before:] == [new, new]
    standing.version, standing.way_back = ended.version, True
    standing.stand()


def test_a_committed_slot_that_cannot_be_started_any_more_is_left_for_the_other(standing: Standing) -> None:
    site, camera = standing.site, standing.camera
    if not standing.way_back:
        standing.version = standing.update().version
        standing.stand()
    old, other = standing.slot, standing.other
    held = camera.cut_and_look()

    disk.wipe(camera.image, LABELS[old])
    camera.on()
    entered, _, following = camera.boots_to_agent()

    assert (entered, following) == (other, "fell_back")
    assert camera.machine.said(f"slot {old} has no kernel")
    standing.version, standing.way_back = held[other] or "", False
    site.wait(lambda: site.runs(camera.device, standing.version), "the report of what runs")


@pytest.mark.parametrize(
    ("mishap", "reason", "tries"),
    [
        (MUTE, "health_failed", 1),
        (PANIC, "boot_failed", TRIES),
        (NO_KERNEL, "boot_failed", TRIES),
        (NO_INIT, "boot_failed", TRIES),
        (JUNK, "boot_failed", TRIES),
    ],
    ids=["mute", "panic", "no_kernel", "no_init", "junk"],
)
def test_a_release_that_cannot_stay_ends_on_the_old_slot_and_the_old_agent_says_why(
    standing: Standing, mishap: Mishap, reason: str, tries: int
) -> None:
    old, new, before = standing.slot, standing.other, len(standing.starts())
    standing.way_back = False

    ended = standing.update(mishap)

    assert (ended.outcome, ended.reason) == ("reverted", reason)
    assert standing.starts()[before:] == [new] * tries + [old]
    standing.stand()


def test_a_release_whose_agent_cannot_be_imported_is_left_by_the_guard_alone(standing: Standing) -> None:
    standing.version, standing.way_back = standing.update(HASTY).version, True
    standing.stand()
    old, new, before = standing.slot, standing.other, len(standing.starts())

    ended = standing.update(BROKEN)

    assert (ended.outcome, ended.reason) == ("reverted", "no_verdict")
    assert standing.camera.machine.said("INIT: python3 surefoot_agent ended with 1")
    assert standing.starts()[before:] == [new, old]
    standing.way_back = False
    standing.stand()
