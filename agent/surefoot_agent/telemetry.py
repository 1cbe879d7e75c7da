"""Measure node, agent and application: one list of samples a call, each marked with release and slot.

Promises: a source that cannot be read (no endpoint, no sensors, a process that just died) costs its own samples and
nothing else; rates are taken between two calls, so the first call has none. The only import of psutil.
Refuses: endless scrapes: at most LIMIT_SAMPLES of the application, histogram buckets not among them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import psutil

from surefoot_agent import scrape
from surefoot_agent.ports import ApplicationControl, Running
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import Sample
from surefoot_shared.status import SlotName

LIMIT_SAMPLES = 200
"""One sample is about 150 bytes on the wire; 200 stay well below the largest message."""
NAME_LIMIT = 120
SCRAPE_TIMEOUT_S = 2.0


class NodeTelemetry:
    """Telemetry port. `metrics_path` is the application's endpoint, `metrics_file` a text file beside it.

    Of several components one measures the `node` and the agent too.
    """

    def __init__(
        self,
        state_dir: Path,
        application: ApplicationControl,
        metrics_file: Path | None = None,
        metrics_path: str = "/metrics",
        clock: Callable[[], float] = time.monotonic,
        node: bool = True,
    ) -> None:
        self._state_dir, self._application, self._measures_node = state_dir, application, node
        self._metrics_file, self._metrics_path = metrics_file, metrics_path
        self._rates = _Rates(clock)

    def sample(self, component: str, digest: str | None, slot: SlotName | None) -> Sequence[Sample]:
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        running = self._application.running()
        own = {**self.node(), **self._agent()} if self._measures_node else {}
        samples = [Sample(at=at, name=name, value=value) for name, value in own.items()]
        of_release = Sample(at=at, name="", value=0.0, component=component, digest=digest, slot=slot)
        measured = {**self._exposed(running), **self._process(running)}  # the kernel knows better
        return samples + [replace(of_release, name=name, value=value) for name, value in measured.items()]

    def node(self) -> Mapping[str, float]:
        """The device's own metrics by name; what needs two calls is missing from the first."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        all_s = sum(times[:8])  # guest time is in user time already
        ratio = self._rates.ratio("node", "node", all_s - idle, all_s)
        busy = None if ratio is None else min(ratio, 1.0)  # a difference of large floats: 1.000000000003 was seen
        found = {
            "node_memory_available_bytes": float(psutil.virtual_memory().available),
            "node_disk_free_bytes": float(psutil.disk_usage(str(self._state_dir)).free),
            "node_uptime_s": time.clock_gettime(time.CLOCK_BOOTTIME),
        }
        return {**found, **_known("node_cpu_ratio", busy), **_known("soc_temperature_c", _hottest_c())}

    def _agent(self) -> Mapping[str, float]:
        own = psutil.Process()
        cpu = self._rates.per_second("agent", str(own.pid), _cpu_s([own]))
        return {"agent_memory_bytes": float(own.memory_info().rss), **_known("agent_cpu_ratio", cpu)}

    def _process(self, running: Running | None) -> Mapping[str, float]:
        """Memory and CPU of the application with its children."""
        if running is None:
            return {}
        try:
            parent = psutil.Process(running.pid)
            family = [parent, *parent.children(recursive=True)]
            memory = float(sum(_resident(process) for process in family))
            cpu = self._rates.per_second("application", running.start_id, _cpu_s(family))
        except psutil.Error:
            return {}
        return {"memory_bytes": memory, **_known("cpu_ratio", cpu)}

    def _exposed(self, running: Running | None) -> Mapping[str, float]:
        """What the application says of itself, by endpoint and by file."""
        series: list[scrape.Series] = []
        port = self._application.endpoint().get("metrics_port")
        if running is not None and port:
            with suppress(SurefootError):  # the server sees missing samples, probation a failed check
                series += scrape.metrics(f"http://127.0.0.1:{port}{self._metrics_path}", SCRAPE_TIMEOUT_S)
        if self._metrics_file is not None and self._metrics_file.is_file():
            series += scrape.parse(self._metrics_file.read_text(errors="replace"))
        return dict(list(_named(series))[:LIMIT_SAMPLES])


class _Rates:
    """Differences between two calls; another subject, or a counter that went back, begins anew and gives none."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._before: dict[str, tuple[str, float, float]] = {}

    def per_second(self, key: str, subject: str, total: float) -> float | None:
        return self.ratio(key, subject, total, self._clock())

    def ratio(self, key: str, subject: str, part: float, whole: float) -> float | None:
        was, self._before[key] = self._before.get(key), (subject, part, whole)
        if was is None or was[0] != subject or whole <= was[2] or part < was[1]:
            return None
        return (part - was[1]) / (whole - was[2])


def _named(series: Sequence[scrape.Series]) -> Iterable[tuple[str, float]]:
    """A name that occurs once stands alone; several series of one name carry their labels."""
    times = Counter(one.name for one in series)
    for one in series:
        if one.name.endswith("_bucket"):
            continue
        labels = ",".join(f"{key}={value}" for key, value in sorted(one.labels.items()))
        name = one.name if times[one.name] == 1 else f"{one.name}{{{labels}}}"
        yield name[:NAME_LIMIT], one.value


def _known(name: str, value: float | None) -> Mapping[str, float]:
    return {} if value is None else {name: value}


def _cpu_s(family: Sequence[psutil.Process]) -> float:
    return sum(_used(process) for process in family)


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _hottest_c() -> float | None:
    """The hottest sensor; psutil reads hwmon and the thermal zones. Boards without any, and containers, have none."""
    if not hasattr(psutil, "sensors_temperatures"):
        return None
    found = [entry.current for entries in psutil.sensors_temperatures().values() for entry in entries]
    return max((float(value) for value in found if value), default=None)
