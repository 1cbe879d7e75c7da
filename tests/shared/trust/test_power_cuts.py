"""The power is cut at every write of a verification, one after the other; the next verification always works.

This file mirrors no module: it is about what durable, floors and updater promise together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_shared.trust.policy import Policy
from tests.shared.trust.simulator import DeviceSimulator, FleetSimulator, Keys


class PowerCut(BaseException):
    """Nothing may catch it: after it the process is gone."""


@pytest.fixture
def cut_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Cut the power at the nth fsync or rename from now, before it takes place."""
    state = {"left": -1}
    real: dict[str, Callable[..., None]] = {name: getattr(os, name) for name in ("fsync", "replace")}

    def wrap(name: str) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            state["left"] -= 1
            if state["left"] == 0:
                raise PowerCut
            real[name](*arguments)

        return call

    for name in real:
        monkeypatch.setattr(os, name, wrap(name))
    return lambda number: state.update(left=number)


@pytest.mark.slow
def test_whatever_write_is_cut_the_next_verification_works_and_no_floor_is_lost(
    tmp_path: Path, cut_at: Callable[[int], None]
) -> None:
    cuts = 0
    while True:
        fleet, device = aged(tmp_path / str(cuts))
        before = device.floors
        raw = fleet.bundle(fleet.wish("1.2"))
        cut_at(cuts + 1)
        try:
            device.decide(raw)
        except PowerCut:
            cuts += 1
        else:
            break
        finally:
            cut_at(-1)

        after = device.floors
        assert after.svn == before.svn
        assert after.counter == before.counter
        assert after.halted == before.halted
        assert after.time >= before.time
        assert device.decide(fleet.bundle(fleet.wish("1.2"))).approved

    assert cuts > 30  # every write was tried, not none


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
