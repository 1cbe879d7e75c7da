"""The power goes at random instants of an update, and the disk forgets what was not flushed: old or new, always whole.

The seed of every cut is printed; `make test-power SEED=n` plays the same cuts again, ROUNDS=n plays n updates.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.power.camera import ENTERED, STARTED, Camera
from tests.power.factory import make_camera
from tests.power.machine import BOOT_LIMIT_S
from tests.power.marks import ON_THE_MACHINE
from tests.power.site import Site
from tests.power.slots import ARM_FIRST, NO_FSYNC, NONE, Mishap

pytestmark = ON_THE_MACHINE
ROUNDS = int(os.environ.get("SUREFOOT_POWER_ROUNDS") or 1)
SEED = int(os.environ.get("SUREFOOT_POWER_SEED") or random.SystemRandom().randrange(1 << 16))
ARMED = "to=armed"
COMMITTED = "from=committing to=idle"
OVER = "started state=idle"
"""What the agent says first where the cut came after the commit and before the word of it."""


class Instant(NamedTuple):
    """A part of an update: the agent's words that begin it, and for how long at most it goes on."""

    name: str
    begins: str
    lasts_s: float
    after_arming: bool


INSTANTS: Sequence[Instant] = (
    Instant("download and write", "to=downloading", 6.0, False),
    Instant("verify", "to=verified", 3.0, False),
    Instant("arm", ARMED, 1.0, True),
    Instant("trial", "to=probation", 3.0, True),
    Instant("commit", "to=committing", 0.5, True),
)


@pytest.fixture
def camera(
    site: Site, firmware: Path, tmp_path: Path, numbers: Iterator[int], request: pytest.FixtureRequest
) -> Iterator[Camera]:
    """A camera on a release of its own, with the mishap that a test asks for."""
    first: Mishap = getattr(request, "param", NONE)
    camera = make_camera(site, tmp_path, firmware, site.release(f"3.{next(numbers)}", first), SEED)
    try:
        camera.on()
        camera.boots_to_agent()
        yield camera
    finally:
        camera.close()


def release_and_update(site: Site, camera: Camera, numbers: Iterator[int], mishap: Mishap = NONE) -> str:
    """Publish one more release and start its rollout to the camera; return the version."""
    version = f"3.{next(numbers)}"
    site.release(version, mishap)
    site.wait(lambda: site.online(camera.device), "the camera in contact")
    site.update(version, camera.device)
    return version


def cut_and_start(camera: Camera) -> str:
    """Cut the power and give it back; return the slot that is entered, which must hold a release, whole."""
    held = camera.cut_and_look()
    camera.on()
    entered = camera.machine.expect(ENTERED)[1]
    assert held[entered] is not None, f"slot {entered} is entered and holds no whole release"
    return entered


def assert_nothing_is_entered_too_early(camera: Camera, old: str, begins: str, within_s: float) -> None:
    """Cut the power while the release is written: the old slot is entered."""
    camera.machine.expect(begins, 2 * BOOT_LIMIT_S)
    time.sleep(random.Random(SEED).uniform(0.0, within_s))  # the random instant itself
    entered = cut_and_start(camera)
    assert entered == old, f"slot {entered} is entered before it was armed"


def assert_a_commit_holds(camera: Camera, new: str) -> None:
    """Cut the power as soon as the agent says that it committed: boot control says so too."""
    camera.machine.expect(COMMITTED, 2 * BOOT_LIMIT_S)
    camera.cut_and_look()
    assert_boot_control_says(camera, new)


def assert_boot_control_says(camera: Camera, new: str) -> None:
    """The camera must be off."""
    committed = camera.boot_state()["surefoot_slot"]
    assert committed == new, f"boot control says {committed} although {new} was committed"


def next_instant(camera: Camera, instants: Sequence[Instant]) -> int | None:
    """Wait for the first of these that the device comes to and return its place; None where its update is over.

    A cut may come when more than its instant is over already: then the device never says again what it did.
    """
    begins = [*(instant.begins for instant in instants), COMMITTED, OVER]
    words = camera.machine.expect("|".join(f"({begin})" for begin in begins), 2 * BOOT_LIMIT_S)
    place = next(place for place in range(len(begins)) if words[place + 1])
    return place if place < len(instants) else None


def cuts_until_committed(camera: Camera, chance: random.Random, old: str, new: str) -> None:
    """Cut the power once in each instant that the device still comes to: it enters no slot that is not armed."""
    instants = INSTANTS
    while (place := next_instant(camera, instants)) is not None:
        instant, instants = instants[place], instants[place + 1 :]
        time.sleep(chance.uniform(0.0, instant.lasts_s))  # the random instant itself
        machine = camera.machine
        entered = cut_and_start(camera)
        assert entered == old or machine.said(ARMED) or instant.after_arming, (
            f"slot {entered} is entered after a cut in {instant.name}"
        )
        if machine.said(COMMITTED):
            assert entered == new, f"slot {entered} is entered although {new} was committed"
            camera.machine.expect(STARTED, 2 * BOOT_LIMIT_S)
            return
    camera.cut_and_look()
    assert_boot_control_says(camera, new)
    camera.on()
    camera.boots_to_agent()


def test_an_update_survives_power_cuts_at_every_instant(site: Site, camera: Camera, numbers: Iterator[int]) -> None:
    chance, old, new = random.Random(SEED), "A", "B"
    for number in range(ROUNDS):
        print(f"round {number} of seed {SEED}")
        version = release_and_update(site, camera, numbers)

        cuts_until_committed(camera, chance, old, new)
        site.wait(lambda v=version: site.runs(camera.device, v), f"{version} running after every cut", 600.0)
        site.wait(lambda v=version: site.outcome(camera.device, v), f"word of how {version} ended", 600.0)

        ended = site.outcome(camera.device, version)
        assert ended is not None
        assert ended.outcome == "committed"
        old, new = new, old


def test_a_boot_state_that_is_not_flushed_would_be_found(site: Site, camera: Camera, numbers: Iterator[int]) -> None:
    release_and_update(site, camera, numbers, NO_FSYNC)

    with pytest.raises(AssertionError, match="although B was committed"):
        assert_a_commit_holds(camera, "B")


@pytest.mark.parametrize("camera", [ARM_FIRST], indirect=True, ids=["arm_first"])
def test_a_slot_that_is_armed_before_it_is_written_would_be_found(
    site: Site, camera: Camera, numbers: Iterator[int]
) -> None:
    release_and_update(site, camera, numbers)

    with pytest.raises(AssertionError, match="is entered"):
        assert_nothing_is_entered_too_early(camera, "A", "PLANTED: armed", 1.0)
