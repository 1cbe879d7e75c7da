"""A disk that is full, or that the kernel remounted read-only, at every step; and bits that flip in either slot.

While the disk refuses, an agent may fail and be started again by its supervisor; once it takes writes again, the device
ends as promised. What was damaged before it was armed is never committed, and a damaged way back is told beforehand.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from surefoot_shared.errors import SurefootError
from surefoot_shared.status import Outcome, SlotName
from tests.crash.node import Node
from tests.crash.refusals import Fault
from tests.crash.scenes import SCENES, Scene, prepared, undisturbed
from tests.crash.split_trees import SplitTreeNode

Make = Callable[[Path], Node]
Recorder = Callable[[str, object], None]
pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
RESTARTS = 3
"""Of an agent that the disk keeps from working, before the disk is well again."""
SPLIT = 1 if os.environ.get("SUREFOOT_CRASH_ALL") else 3
"""Of two halves this share: most of their instants are those of one process."""
HALVES = pytest.mark.parametrize(("make", "share"), [(Node, 1), (SplitTreeNode, SPLIT)], ids=["one", "two halves"])
EVERY = {"healthy": 1, "sick": 3}
"""Each point of an update that goes well; of the way back, what an update has not is reached by every third."""


def refused_at(make: Make, folder: Path, scene: Scene, point: int, fault: Fault, switched: bool) -> list[str]:
    """Let the disk refuse from a point on, start agents as a supervisor would, then let it take writes again.

    Before the switch the old application runs all the time; afterwards old or new, started once each at the most,
    though nothing of it can be written down.
    """
    with closing(prepared(folder, scene, make)) as node:
        node.medium.fault, node.medium.fault_at = fault, point
        for _ in range(RESTARTS):
            if worked(node):
                break
            ran, starts = node.running(), node.table.started[1:]
            if ran != "1.0" and not (switched and ran == "1.1"):
                return [f"while the disk was {fault.value} it ran {ran}"]
            if len(starts) != len(set(starts)):
                return [f"while the disk was {fault.value} it started {starts}"]
        node.medium.fault = None
        if not worked(node):
            return ["it does not work on a disk that is well"]
        allowed = {*scene.allowed, Outcome.FAILED, Outcome.REFUSED, Outcome.REVERTED}
        return node.broken_promises(allowed) + ([] if node.is_idle() else ["it is not idle"])


def worked(node: Node) -> bool:
    """Run an agent until its attempt ended; False where the disk brought it down."""
    try:
        return node.run(limit_s=120.0) is not None and bool(node.server.outcomes())
    except (SurefootError, OSError, sqlite3.Error):
        node.abandon()
        return False


@pytest.mark.parametrize("fault", Fault, ids=[fault.value for fault in Fault])
@pytest.mark.parametrize("scene", [s for s in SCENES if s.name in EVERY], ids=list(EVERY))
@HALVES
def test_a_disk_that_refuses_at_any_step_and_is_well_later_leaves_old_or_new(
    tmp_path: Path,
    make: Make,
    share: int,
    scene: Scene,
    fault: Fault,
    record_property: Recorder,
) -> None:
    trace = undisturbed(tmp_path / "node", scene, make)
    every = range(1 + zlib.crc32(f"{scene.name} {fault}".encode()) % share, len(trace) + 1, EVERY[scene.name] * share)
    stored = max(n for n, what in enumerate(trace[: trace.index("stop 1.0")], 1) if what == "journal commit")
    record_property("instants", len(every))

    broken = {
        point: wrong
        for point in every
        if (wrong := refused_at(make, tmp_path / "node", scene, point, fault, switched=point > stored))
    }

    assert broken == {}


def flip(folder: Path) -> None:
    """Flip one bit in each file of a slot, as a cell that lost its charge."""
    for file in folder.rglob("*"):
        if file.is_file() and file.stat().st_size:
            mode = file.stat().st_mode
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.chmod(0o600)
            file.write_bytes(bytes(content))
            os.chmod(file, mode)


@pytest.mark.parametrize("slot", SlotName, ids=["the way back", "the new slot"])
@HALVES
def test_bits_that_flip_until_just_before_the_switch_are_never_committed(
    tmp_path: Path, make: Make, share: int, slot: SlotName, record_property: Recorder
) -> None:
    scene = SCENES[0]
    trace = undisturbed(tmp_path / "node", scene, make)
    armed = next(n for n, what in enumerate(trace, 1) if what.startswith("open app/trial."))
    read = max(n for n, what in enumerate(trace[: armed - 1], 1) if what.startswith("open app/slots/B.sealed"))
    points = range(1, read, share)  # there it was read back for the last time
    record_property("instants", len(points))
    told = []

    for point in points:
        with closing(prepared(tmp_path / "node", scene, make)) as node:
            node.medium.at(point, functools.partial(flip, node.slots_of("app").path(slot)))
            node.run()
            told += [(point, trace[point - 1], wrong) for wrong in damaged(node, slot)]

    assert told == []


def damaged(node: Node, slot: SlotName) -> list[str]:
    """Say what is wrong: a commit of damaged bytes, or no outcome at all."""
    outcomes = [outcome for _, outcome, _ in node.server.outcomes()]
    if len(outcomes) != 1:
        return [f"the server was told {outcomes}"]
    part = node.parts["app"]
    if outcomes == [Outcome.COMMITTED]:
        try:
            part.slots.verify(part.boot_control.current())
        except SurefootError as error:
            return [f"committed, and {error}"]
    return []
