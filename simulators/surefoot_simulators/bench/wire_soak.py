"""`python -m surefoot_simulators.bench.wire_soak`: a fleet on the wire through many rollouts, and not one event lost.

Promises: the real server and broker, both killed in the middle of rollouts; bad releases among good ones; cables
pulled, devices silent, messages said twice. At the end every event that a device ever said is stored exactly once, what
the server says of every device and attempt is what the device says, every rollout has an end with its reason, and the
server's memory has not grown since its last start. Exits 0, or 1 with what was wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_shared.errors import SurefootError
from surefoot_shared.status import RolloutState
from surefoot_simulators.bench import wire_audit
from surefoot_simulators.bench.process import rss_mib
from surefoot_simulators.bench.soak import grown
from surefoot_simulators.bench.wire_faults import Faults
from surefoot_simulators.fleet.crowd import Crowd
from surefoot_simulators.fleet.devices import Fate

ENDED = (RolloutState.SUCCEEDED.value, RolloutState.FAILED.value)
BAD_EVERY, BAD_SHARE, UNLUCKY_SHARE = 5, 0.6, 0.01
ROLLOUT_LIMIT_S, QUIET_LIMIT_S = 900.0, 300.0
POLICY = """
phases:
  - {name: canary, percent: 10, min_devices: 5, bake: 1s}
  - {name: all, percent: 100, bake: 1s}
gate:
  min_reported: 0.8
  max_wait: 5m
  on_inconclusive: fail
  objectives:
    - {metric: reverted, fail_if_surely_above: 25%}
    - {metric: lost, fail_if_surely_above: 60%}
timeouts: {lost_after: 8s, asleep_after: 4s}
limits: {max_concurrent: 1000}
on_fail: {halt: true, committed_devices: revert}
"""


@dataclass(frozen=True)
class Plan:
    """`server` and `broker`: rollouts (counted from 1) in which each of them is killed."""

    devices: int
    rollouts: int
    seed: int
    server: Collection[int]
    broker: Collection[int]

    @classmethod
    def long(cls, devices: int, rollouts: int, seed: int) -> Plan:
        """The server dies in the first half only, so that its memory can be watched through the second."""
        half = max(1, rollouts // 2)
        return cls(devices, rollouts, seed, frozenset(range(2, half, 4)), frozenset(range(3, rollouts + 1, 4)))


@dataclass
class Soaked:
    """What was seen."""

    wrong: list[str] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0
    states: list[str] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        struck = ", ".join(f"{count} × {kind}" for kind, count in sorted(self.struck.items()))
        good = self.states.count(RolloutState.SUCCEEDED.value)
        memory = f"{self.memory_mib[0]:.0f} to {self.memory_mib[-1]:.0f} MiB" if self.memory_mib else "not seen"
        return (
            f"{self.events} events in {self.seconds:.0f} s, {good} of {len(self.states)} rollouts succeeded, "
            f"server {memory}; {struck}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m surefoot_simulators.bench.wire_soak",
        description="Take a simulated fleet through many rollouts with faults, and fail where anything is lost.",
        epilog="example: make soak",
    )
    parser.add_argument("--devices", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--rollouts", type=int, default=30, help="one after the other (default 30)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (default 1)")
    given = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="surefoot-wire-soak-", ignore_cleanup_errors=True) as folder:
            seen = play(Path(folder), Plan.long(given.devices, given.rollouts, given.seed), print)
    except (SurefootError, OSError) as error:
        print(error)
        return 1
    except KeyboardInterrupt:
        return 130
    print(seen)
    print("\n".join(seen.wrong) or "every event is stored once, every state is explained, and the server has not grown")
    return 1 if seen.wrong else 0


def play(folder: Path, plan: Plan, say: Callable[[str], None]) -> Soaked:
    """Raise SurefootError where the fleet cannot go on at all."""
    seen, began_s = Soaked(), time.monotonic()
    crowd = Crowd(folder, plan.devices, {f"1.{n}": 100 + n for n in range(plan.rollouts + 1)})
    try:
        crowd.start()
        faults = Faults(crowd, plan.seed)
        crowd.on_turn = faults.turn
        for number in range(1, plan.rollouts + 1):
            _rollout(crowd, faults, plan, number, seen)
            say(f"rollout {number}: {seen.states[-1]}, server {seen.memory_mib[-1]:.0f} MiB")
        faults.end()
        _wait_until_quiet(crowd)
        seen.struck.update(faults.struck)
        seen.events = sum(device.numbered for device in crowd.fleet.devices.values())
        seen.wrong += wire_audit.wrong(crowd)
    finally:
        crowd.stop()
    since = max([0, *(n for n in plan.server)])
    seen.wrong += grown({"server": seen.memory_mib[since + 1 :]}) if len(seen.memory_mib) > since + 6 else []
    seen.seconds = time.monotonic() - began_s
    return seen


def _rollout(crowd: Crowd, faults: Faults, plan: Plan, number: int, seen: Soaked) -> None:
    """One release to everybody, with what is to die in its middle."""
    chance = random.Random(f"{plan.seed} {number}")  # noqa: S311, chance and no secret
    share = BAD_SHARE if number % BAD_EVERY == 0 else UNLUCKY_SHARE
    unlucky = {name for name in crowd.fleet.devices if chance.random() < share}
    crowd.fate_of = lambda name, _release: Fate.REVERTS if name in unlucky else Fate.COMMITS
    (crowd.folder / "policy.yaml").write_text(POLICY)
    rollout = crowd.operator.start_rollout(f"1.{number}", "everybody", crowd.folder / "policy.yaml")
    if number in plan.server or number in plan.broker:
        before = sum(device.numbered for device in crowd.fleet.devices.values())
        crowd.pump(
            lambda: sum(d.numbered for d in crowd.fleet.devices.values()) > before, QUIET_LIMIT_S, "it to be under way"
        )
    if number in plan.server:
        seen.struck["server killed"] = seen.struck.get("server killed", 0) + 1
        crowd.server.kill()
        _hang_up(crowd)
        crowd.server.start()
        faults.rejoin()
    if number in plan.broker:
        seen.struck["broker killed"] = seen.struck.get("broker killed", 0) + 1
        _kill_broker(crowd)
        faults.rejoin()
    crowd.pump(lambda: crowd.state(rollout) in ENDED, ROLLOUT_LIMIT_S, f"{rollout} to end")
    seen.states.append(crowd.state(rollout))
    seen.memory_mib.append(rss_mib(crowd.server.unit.pid or 0))


def _kill_broker(crowd: Crowd) -> None:
    """The broker dies alone; the server brings it back."""
    pid = int(next((crowd.server.data / "broker").glob("*.pid")).read_text())
    os.kill(pid, signal.SIGKILL)
    _hang_up(crowd)


def _hang_up(crowd: Crowd) -> None:
    """The broker is gone, and every connection with it."""
    for name in list(crowd.swarm.wires):
        crowd.swarm.drop(name)


def _wait_until_quiet(crowd: Crowd) -> None:
    """Every attempt has ended, and the server has acknowledged whatever was said."""
    devices = crowd.fleet.devices.values()
    crowd.pump(lambda: not any(d.attempt or d.outbox for d in devices), QUIET_LIMIT_S, "every event to be stored")


if __name__ == "__main__":
    sys.exit(main())
