"""What a forecast costs: one rollout over a million modelled devices, and a thousand over a fleet of ordinary size.

Promises: the default ladder with a budget of devices at work, sleepers, failures and losses, each event played and
every phase decided by the engine; memory is that of a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench.figures import Figure

LARGE, ORDINARY, RUNS = 1_000_000, 2_000, 100
LARGE_GOAL_S, LARGE_GOAL_MIB = 60.0, 1024.0
RUN_GOAL_S = 0.25
LIMIT_S = 1800
CHILD = "surefoot_simulators.bench.forecast_child"


@dataclass(frozen=True)
class Took:
    """What the child says: for all runs together."""

    seconds: float
    memory_mib: float
    events: int
    end: str


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    say(f"one run over {LARGE} devices")
    large = _child(LARGE, 1)
    say(f"{RUNS} runs over {ORDINARY} devices")
    return figures(large, _child(ORDINARY, RUNS))


def figures(large: Took, ordinary: Took) -> list[Figure]:
    """What both runs took, and how many events were played a second."""
    note = f"{large.events / large.seconds:.0f} events a second; it ended as {large.end}"
    return [
        Figure(f"forecast of {LARGE} devices, one run", large.seconds, "s", LARGE_GOAL_S, note=note),
        Figure(f"forecast of {LARGE} devices, memory", large.memory_mib, "MiB", LARGE_GOAL_MIB),
        Figure(
            f"forecast of {ORDINARY} devices, one of {RUNS} runs",
            ordinary.seconds / RUNS,
            "s",
            RUN_GOAL_S,
            note="with a healthy release, which goes through all phases",
        ),
    ]


def _child(devices: int, runs: int) -> Took:
    asked = [sys.executable, "-m", CHILD, str(devices), str(runs)]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if found.returncode:
        raise Unreachable("unreachable", f"The forecast ended with {found.returncode}: {found.stderr[-300:]}")
    return wire.decode(Took, found.stdout.encode())
