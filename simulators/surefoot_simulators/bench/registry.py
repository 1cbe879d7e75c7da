"""The list of benchmarks: a name, one sentence, and the function that measures. Nothing else knows them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_simulators.bench import assignment, idle, install, trust
from surefoot_simulators.bench.figures import Figure

Say = Callable[[str], None]


@dataclass(frozen=True)
class Benchmark:
    """`measure` gets an empty folder and a way to say how far it is; it returns figures or raises."""

    about: str
    measure: Callable[[Path, Say], Sequence[Figure]]


BENCHMARKS: dict[str, Benchmark] = {
    "assignment": Benchmark("seconds from an assignment to its commit, one real device", assignment.measure),
    "idle": Benchmark("memory and CPU of an idle agent beside its peers", idle.measure),
    "install": Benchmark("MB/s of an image into a slot, beside rauc and dd", install.measure),
    "trust": Benchmark("bytes, milliseconds and memory of verification and signing", trust.measure),
}
