"""Faults strike by the seed, are undone in time, and nobody is left behind."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench import wire_faults
from surefoot_simulators.bench.wire_faults import Faults


class Fleet:
    """Knows who is connected; `closed`: nobody gets in."""

    def __init__(self, wires: dict[str, Any]) -> None:
        self.devices = dict(wires)
        self.again: list[str] = []
        self.closed = False
        self._wires = wires

    def connect(self, names: Any) -> None:
        if self.closed:
            raise ConnectionRefusedError
        self._wires.update({name: SimpleNamespace(up=True) for name in names})

    def say_again(self, name: str) -> None:
        self.again.append(name)


class Crowd:
    def __init__(self, count: int) -> None:
        wires: dict[str, Any] = {f"cam-{n}": SimpleNamespace(up=True) for n in range(count)}
        self.swarm = SimpleNamespace(wires=wires, drop=lambda name: wires.pop(name, None), step=lambda _s: None)
        self.fleet = Fleet(wires)


def struck(seed: int) -> tuple[Crowd, Faults]:
    crowd = Crowd(200)
    faults = Faults(crowd, seed, share=0.3)  # type: ignore[arg-type]
    faults.turn()
    return crowd, faults


def test_the_same_seed_strikes_the_same_devices_in_the_same_way() -> None:
    first, again, other = struck(1), struck(1), struck(2)

    assert first[1].struck == again[1].struck
    assert sorted(first[0].swarm.wires) == sorted(again[0].swarm.wires)
    assert sorted(first[0].swarm.wires) != sorted(other[0].swarm.wires)
    assert first[0].fleet.again == again[0].fleet.again


def test_cables_are_pulled_and_messages_said_twice() -> None:
    crowd, faults = struck(1)

    gone = 200 - len(crowd.swarm.wires)
    assert gone == faults.struck[wire_faults.CABLE] + faults.struck[wire_faults.SILENCE]
    assert len(crowd.fleet.again) == faults.struck[wire_faults.DUPLICATE] > 0


def test_everybody_is_back_when_their_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, faults = struck(1)
    now_s = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: now_s + 60)
    faults.turn()

    assert len(crowd.swarm.wires) > 200 - 200 * 0.3, "those of the first turn are back, some of a second are gone"
    faults.end()
    assert len(crowd.swarm.wires) == 200


def test_between_two_turns_nothing_strikes() -> None:
    _crowd, faults = struck(1)
    before = dict(faults.struck)

    faults.turn()

    assert faults.struck == before


def test_a_broker_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, faults = struck(1)
    crowd.fleet.closed = True
    monkeypatch.setattr(wire_faults, "REJOIN_LIMIT_S", -1.0)

    with pytest.raises(Unreachable, match="did not get through"):
        faults.end()
