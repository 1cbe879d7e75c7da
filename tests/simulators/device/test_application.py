"""A process lives until its release, the agent or the power ends it; a root is started by a restart alone."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent import ports
from surefoot_agent.boot.fake import FakeBoot
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest, digest_of, manifest_bytes
from surefoot_shared.status import SlotName
from surefoot_simulators.device.application import Machine, Process, system_folder, write_command_line
from surefoot_simulators.device.board import Board, Ended
from surefoot_simulators.device.conduct import GOOD, Conduct
from surefoot_simulators.device.slots import SimSlots
from tests.agent.test_ports import methods
from tests.agent.trees import release

A = SlotName.A
FILES = {"run": b"#!/bin/sh\n"}


class Place:
    def __init__(self, folder: Path) -> None:
        self.t, self.conduct = 0.0, GOOD
        self.board = Board("cam-1", lambda: self.t, datetime(2030, 1, 1, tzinfo=timezone.utc))
        self.slots, self.boot = SimSlots(folder, self.board), FakeBoot()
        self.manifest: Manifest = release(FILES, "1.0", ("run",))
        self.slots.begin(A, self.manifest, manifest_bytes(self.manifest))
        for piece in self.slots.missing(A):
            self.slots.write(A, piece, lambda _offset: [FILES["run"]])
        self.slots.seal(A)
        self.process = Process(self.board, self.slots, self.boot, lambda _version: self.conduct)
        self.machine = Machine(self.board, self.slots, self.boot, lambda _version: self.conduct)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("kind", [Process, Machine])
def test_they_have_every_method_of_their_port(kind: type) -> None:
    assert methods(ports.ApplicationControl).keys() <= methods(kind).keys()


def test_each_start_has_an_id_of_its_own_and_says_what_runs(place: Place) -> None:
    first, second = place.process.start(A, place.manifest), place.process.start(A, place.manifest)

    assert first.start_id != second.start_id
    assert (place.process.version(), place.process.slot()) == ("1.0", A)
    assert place.slots.digest(A) == digest_of(manifest_bytes(place.manifest))


def test_a_release_that_crashes_is_gone_after_its_time_and_tended(place: Place) -> None:
    place.conduct = Conduct(crash_after_s=12.0)
    place.process.start(A, place.manifest)
    place.t = 12.0

    assert place.process.running() is None
    place.process.tend()
    assert place.process.running() is not None


def test_a_release_that_does_not_start_says_so(place: Place) -> None:
    place.conduct = Conduct(starts=False)

    with pytest.raises(InstallFailed) as caught:
        place.process.start(A, place.manifest)

    assert caught.value.kind == "boot_failed"


def test_a_root_is_entered_by_a_restart_and_known_by_its_boot(place: Place) -> None:
    with pytest.raises(Ended):
        place.machine.start(A, place.manifest)

    assert place.machine.running() is not None
    assert place.machine.version() == "1.0"


def test_the_machines_folder_has_what_arming_asks_for(tmp_path: Path) -> None:
    folder = system_folder(tmp_path / "system")
    write_command_line(folder, SlotName.B)

    assert (folder / "usr/sbin/reboot").stat().st_mode & 0o111
    assert "surefoot.slot=B" in (folder / "proc/cmdline").read_text()
