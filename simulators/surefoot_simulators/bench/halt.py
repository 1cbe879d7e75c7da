"""Seconds from an operator's halt to the last of a thousand devices that got it.

Promises: the real server with its engine, database and broker; a thousand devices with connections and certificates of
their own, all of them downloading; the time begins before the request and ends when the last device holds the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from surefoot_simulators.bench.figures import Figure
from surefoot_simulators.fleet.crowd import Crowd
from surefoot_simulators.fleet.devices import Fate

DEVICES = 1000
GOAL_S = 2.0
"""Shorter than any download that would still be worth stopping."""
POLICY = """
rollout: {strategy: canary}
phases:
  - {name: all, percent: 100, bake: 1s}
gate:
  min_reported: 0.9
  max_wait: 10m
  on_inconclusive: hold
  objectives:
    - {metric: reverted, fail_if_surely_above: 5%, confidence: 0.9, tripwire: 2}
limits: {max_concurrent: 1000}
on_fail: {halt: true, committed_devices: keep}
"""


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    """Raise Unreachable where devices do not come up, or a halt does not reach all of them."""
    crowd = Crowd(work, DEVICES, {"1.0": 100, "1.1": 101})
    crowd.fate_of = lambda *_: Fate.WAITS
    try:
        crowd.start()
        (work / "policy.yaml").write_text(POLICY)
        rollout = crowd.operator.start_rollout("1.1", "everybody", work / "policy.yaml")
        devices = crowd.fleet.devices.values()
        crowd.pump(lambda: all(d.attempt is not None for d in devices), 180, "everybody to download")
        say(f"{DEVICES} devices are downloading")
        took_s = crowd.halt_took_s(rollout)
        crowd.pump(lambda: not any(d.attempt for d in devices), 60, "everybody to stop")
        say(f"all of them have the halt list after {took_s:.2f} s, and stopped")
    finally:
        crowd.stop()
    note = f"{DEVICES} devices in one process, which costs the same cores as the server"
    return [Figure("halt pushed to every device", took_s, "s", GOAL_S, note=note)]
