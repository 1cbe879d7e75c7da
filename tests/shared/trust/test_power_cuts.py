"""The power is cut at every write of a verification, one after the other; the next verification always works.

What no fsync had reached by then is lost: the file is there, and empty, as file systems leave it. This file mirrors no
module: it is about what durable, floors, updater and verify promise together.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from surefoot_shared.trust.policy import Policy
from tests.shared.trust.simulator import DeviceSimulator, FleetSimulator, Keys


class PowerCut(BaseException):
    """Nothing may catch it: after it the process is gone."""


class Medium:
    """Counts fsyncs and renames from `cut_at` on; from the cut on nothing more takes place, whoever tries."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._left, self._off, self._lock = 0, False, threading.Lock()
        self._durable: set[tuple[int, int]] = set()
        self._fsync, self._replace = os.fsync, os.replace
        patch.setattr(os, "fsync", self.fsync)
        patch.setattr(os, "replace", self.replace)

    def cut_at(self, number: int, folder: Path) -> None:
        """Cut before the nth write takes place; what `folder` holds now is durable already."""
        self._left, self._off = number, False
        self._durable = {self._state(path.stat()) for path in folder.rglob("*.json")}

    def lose(self, folder: Path) -> int:
        """The power is back: empty what was never made durable, and return how many files that were."""
        self._off = False
        self._left = -1
        lost = [path for path in folder.rglob("*.json") if not path.is_symlink() and not self._kept(path)]
        for path in lost:
            path.write_bytes(b"")
        return len(lost)

    def fsync(self, descriptor: int) -> None:
        self._go_on()
        self._fsync(descriptor)
        self._durable.add(self._state(os.fstat(descriptor)))

    def replace(self, source: str, target: str) -> None:
        self._go_on()
        self._replace(source, target)

    def _go_on(self) -> None:
        with self._lock:
            self._left -= 1
            self._off = self._off or self._left == 0
            if self._off:
                raise PowerCut

    def _kept(self, path: Path) -> bool:
        return self._state(path.stat()) in self._durable

    @staticmethod
    def _state(stat: os.stat_result) -> tuple[int, int]:
        return stat.st_ino, stat.st_mtime_ns


@pytest.fixture
def medium(monkeypatch: pytest.MonkeyPatch) -> Medium:
    return Medium(monkeypatch)


@pytest.mark.slow
def test_whatever_write_is_cut_the_next_verification_works_and_no_floor_is_lost(tmp_path: Path, medium: Medium) -> None:
    cuts = lost = 0
    while True:
        fleet, device = aged(tmp_path / str(cuts))
        before = device.floors
        raw = fleet.bundle(fleet.wish("1.2"))
        medium.cut_at(cuts + 1, device.folder)
        try:
            device.decide(raw)
        except PowerCut:
            cuts += 1
        else:
            break
        emptied = medium.lose(device.folder)
        lost += emptied

        after = device.floors
        assert after.svn == before.svn
        assert after.counter == before.counter
        assert after.halted == before.halted
        assert after.time >= before.time
        assert after == before or not emptied
        assert device.decide(fleet.bundle(fleet.wish("1.2"))).approved

    assert cuts > 20  # every write was tried, not none
    assert lost > 20


def aged(folder: Path) -> tuple[FleetSimulator, DeviceSimulator]:
    """A device with history, and a fleet that has since rotated a key, released and named a minimum."""
    fleet = FleetSimulator()
    first = fleet.release_version("1.1", 101, svn=1)
    device = DeviceSimulator(folder / "trust", fleet)
    device.halt(fleet.halt_list("0" * 64))
    fleet.set_policy(Policy("app", min_svn=1))
    device.decide(fleet.bundle(fleet.wish("1.1")))
    device.commit(first)
    fleet.director = Keys.new()
    fleet.sign_director_root()
    fleet.sign_image_root()
    fleet.release_version("1.2", 102, svn=1)
    return fleet, device
