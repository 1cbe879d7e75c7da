"""In which order slow tests begin: those that take minutes first, dealt out over the workers of pytest-xdist.

With `--dist worksteal` each worker begins with an equal part of the list, as it stands, and whoever is done takes from
the end of another's. A test of minutes that stands at an end begins last, and one core waits for it. Promises: the same
order in every worker; the tests of one file stay together and in their order, for they share what was set up for them.
What is not in SECONDS keeps its place behind. The figures need not be true, only in proportion: `make test-slow` ends
with the slowest forty; a file that takes more than a minute there belongs here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")

SECONDS: Mapping[str, int] = {
    "tests/power/test_updates.py": 900,
    "tests/power/test_migration.py": 500,
    "tests/power/test_cuts.py": 500,
    "tests/power/test_uefi.py": 100,
    "tests/scenarios/test_bad_days.py": 244,
    "tests/scenarios/test_sets.py": 238,
    "tests/scenarios/test_first_safe_update.py": 186,
    "tests/scenarios/test_self_update.py": 185,
    "tests/agent/test_set_crash_points.py": 155,
    "tests/simulators/test_truth.py": 137,
    "tests/simulators/world/test_library.py": 130,
    "tests/scenarios/test_kills.py": 127,
    "tests/scenarios/test_stolen_server.py": 123,
    "tests/scenarios/test_rollouts_over_the_wire.py": 111,
    "tests/agent/test_crash_points.py": 107,
    "tests/browser/test_pages.py": 90,
    "tests/scenarios/test_slow_release.py": 87,
    "tests/scenarios/test_dead_agents.py": 77,
}
"""File → about how long all its tests take, one after the other."""


def dealt(items: Sequence[Item], file_of: Callable[[Item], str], workers: int) -> list[Item]:
    """Return the items so that each worker's part begins with its share of the long ones."""
    long: dict[str, list[Item]] = {}
    others: list[Item] = []
    for item in items:
        file = file_of(item)
        long.setdefault(file, []).append(item) if file in SECONDS else others.append(item)
    parts: list[list[Item]] = [[] for _ in range(workers)]
    loads = [0] * workers
    sizes = _sizes(len(items), workers)
    for file in sorted(long, key=lambda name: (-SECONDS[name], name)):
        room = [n for n in range(workers) if len(parts[n]) + len(long[file]) <= sizes[n]]
        if not room:  # so few tests were chosen that parts cannot be kept whole
            others = [*long[file], *others]
            continue
        place = min(room, key=lambda n: loads[n])
        parts[place] += long[file]
        loads[place] += SECONDS[file]
    rest = iter(others)
    return [item for part, size in zip(parts, sizes, strict=True) for item in _filled(part, size, rest)]


def _sizes(number: int, workers: int) -> list[int]:
    """How many tests pytest-xdist gives each worker to begin with."""
    sizes = []
    for left in range(workers, 0, -1):
        sizes.append(number // left)
        number -= sizes[-1]
    return sizes


def _filled(part: Sequence[Item], size: int, rest: Iterable[Item]) -> list[Item]:
    return [*part, *(item for _, item in zip(range(size - len(part)), rest, strict=False))]
