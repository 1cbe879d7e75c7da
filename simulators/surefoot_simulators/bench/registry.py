"""The list of benchmarks: a name, one sentence, and the function that measures. Nothing else knows them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_simulators.bench import (
    api,
    assignment,
    console,
    delta,
    distribution,
    fifty,
    forecast,
    full,
    halt,
    idle,
    ingest,
    install,
    rollouts,
    search,
    trust,
    wire,
)
from surefoot_simulators.bench.figures import Figure

Say = Callable[[str], None]


@dataclass(frozen=True)
class Benchmark:
    """`measure` gets an empty folder and a way to say how far it is; it returns figures or raises."""

    about: str
    measure: Callable[[Path, Say], Sequence[Figure]]


BENCHMARKS: dict[str, Benchmark] = {
    "api": Benchmark("milliseconds of a page of each list of the API at 100,000 devices", api.measure),
    "assignment": Benchmark("seconds from an assignment to its commit, one real device", assignment.measure),
    "console": Benchmark(
        "kB of the console's pages, milliseconds from an event to the page, seconds to stop", console.measure
    ),
    "delta": Benchmark("bytes, seconds and memory of updates of a vision stack, beside its peers", delta.measure),
    "distribution": Benchmark("MB/s of artifacts from one server process, beside nginx", distribution.measure),
    "fifty": Benchmark("how often the server sends a release that fifty devices fetch at once", fifty.measure),
    "forecast": Benchmark("seconds and memory of a rollout forecast for a million modelled devices", forecast.measure),
    "full": Benchmark("MB/s of a whole compressed release into a slot, beside zstd -d and dd", full.measure),
    "halt": Benchmark("seconds from a halt to the last of 1,000 devices", halt.measure),
    "idle": Benchmark("memory and CPU of an idle agent beside its peers", idle.measure),
    "ingest": Benchmark(
        "telemetry rows a second, stored and acknowledged, beside two that only receive", ingest.measure
    ),
    "install": Benchmark("MB/s of an image into a slot, beside rauc and dd", install.measure),
    "rollouts": Benchmark(
        "seconds to plan and milliseconds of an engine tick at 1,000 to 100,000 devices", rollouts.measure
    ),
    "search": Benchmark("milliseconds to find devices among 10,000, by words, cohort and standing", search.measure),
    "trust": Benchmark("bytes, milliseconds and memory of verification and signing", trust.measure),
    "wire": Benchmark("seconds and memory of 10,000 connected devices, beside bare clients", wire.measure),
}
