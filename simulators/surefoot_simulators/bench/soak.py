"""`python -m surefoot_simulators.bench.soak --minutes M`: update devices again and again, and see that nothing grows.

Promises: real processes; every attempt must end committed, and the median memory of agents, guards and server over
the last third of the rounds must stay within `GROWTH` of the first third's. Exits 0, or 1 with what was wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from surefoot_shared.errors import SurefootError
from surefoot_simulators.bench.process import rss_mib
from surefoot_simulators.bench.site import Site, running_site

GROWTH = 1.15
"""Python's allocator moves by some percent around a steady state; a leak does not stop there."""
FEWEST_ROUNDS = 6
DEVICES = 2


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m surefoot_simulators.bench.soak",
        description="Update devices again and again and fail where an update fails or memory grows.",
        epilog="example: make soak MINUTES=30",
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default 30)")
    given = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="surefoot-soak-", ignore_cleanup_errors=True) as folder:
            wrong = play(Path(folder), given.minutes * 60)
    except SurefootError as error:
        wrong = [str(error)]
    except KeyboardInterrupt:
        return 130
    print("\n".join(wrong) or "nothing grew and every update was committed")
    return 1 if wrong else 0


def play(folder: Path, seconds: float) -> list[str]:
    """Return what was wrong; at least FEWEST_ROUNDS rounds are played, whatever the time."""
    memory: dict[str, list[float]] = {}
    wrong: list[str] = []
    with running_site(folder, DEVICES, soak_s=1.0) as site:
        until_s, number = time.monotonic() + seconds, 0
        while number < FEWEST_ROUNDS or time.monotonic() < until_s:
            number += 1
            wrong += _round(site, number)
            for name, mib in _memory(site).items():
                memory.setdefault(name, []).append(mib)
            print(f"round {number}: " + ", ".join(f"{n} {m[-1]:.1f} MiB" for n, m in memory.items()), flush=True)
    return wrong + grown(memory)


def grown(memory: Mapping[str, Sequence[float]]) -> list[str]:
    """Name each process whose memory in the last third is more than GROWTH times that of the first third."""
    found = []
    for name, values in memory.items():
        third = max(1, len(values) // 3)
        first, last = median(values[:third]), median(values[-third:])
        if last > first * GROWTH:
            found.append(f"{name} grew from {first:.1f} to {last:.1f} MiB in {len(values)} rounds")
    return found


def _round(site: Site, number: int) -> list[str]:
    version = f"2.{number}"
    site.publish(version, 200 + number)
    attempts = site.update(version)
    return [f"round {number}: {a.device} ended {a.outcome} ({a.reason})" for a in attempts if a.outcome != "committed"]


def _memory(site: Site) -> dict[str, float]:
    pids = {"server": site.server.unit.pid}
    for node in site.fleet:
        pids |= {node.agent.name: node.agent.pid, node.guard.name: node.guard.pid}
    return {name: rss_mib(pid) for name, pid in pids.items() if pid is not None}


if __name__ == "__main__":
    sys.exit(main())
