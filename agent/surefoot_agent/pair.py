"""The live application and its shadow as processes: how the second is started beside the first, and what both show.

Promises: the shadow has a data folder of its own that is thrown away, a log with a bound, a lower priority, and is the
first that the kernel ends where memory runs out. Knows a shadow by its own mark, so stopping one never stops the other.
Refuses to decide when it starts or ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from surefoot_agent import comparison, durable, guard, scrape
from surefoot_agent.application import Application
from surefoot_agent.comparison import Figures
from surefoot_agent.ports import ApplicationControl, Slots
from surefoot_shared.errors import SurefootError
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName

SCRAPE_S = 1.0
NICE = 10
"""Enough that a busy core goes to the live release first."""
EXPENDABLE = "1000"
"""oom_score_adj: the first to be ended by the kernel."""
OWN = ("camera_fps", "inference_p95_s", "memory_bytes")
"""What is told of the shadow itself, as of a release that runs."""
MEMINFO = Path("/proc/meminfo")
Shown = tuple[Figures | None, Mapping[str, float]]
"""What an application says of itself, None where it does not answer; and its own metrics by name."""


class ProcessPair:
    """Pair port of a component whose slots are folders."""

    def __init__(
        self,
        component_dir: Path,
        slots: Slots,
        live: ApplicationControl,
        app_env: Mapping[str, str] | None = None,
        log_limit_bytes: int = 4 * 1024 * 1024,
        reserve_bytes: int = 0,
    ) -> None:
        self._folder, self._slots, self._live = component_dir / guard.SHADOW, slots, live
        self._log_limit_bytes, self._reserve_bytes = log_limit_bytes, reserve_bytes
        self._env = {**(app_env or {}), "SUREFOOT_SHADOW": "1"}
        self._frames = component_dir.resolve() / "frames"
        self._application: Application | None = None

    def start(self, slot: SlotName, manifest: Manifest) -> None:
        """Start what is staged beside what lives. Raises InstallFailed."""
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        durable.make_folder(self._folder / "data")
        running = self._made().start(slot, manifest)
        with contextlib.suppress(OSError):  # it may be gone already; the next look says so
            os.setpriority(os.PRIO_PROCESS, running.pid, NICE)
            Path(f"/proc/{running.pid}/oom_score_adj").write_text(EXPENDABLE)

    def stop(self) -> None:
        """Stop the shadow, whoever started it."""
        if self._application is None and not self._folder.is_dir():
            return
        self._made().stop()
        shutil.rmtree(self._folder / "data", ignore_errors=True)

    def alive(self) -> bool:
        return self._application is not None and self._application.running() is not None

    def live(self) -> Figures | None:
        return _figures(self._live)[0]

    def shadow(self) -> Shown:
        self._made().bound_log()
        return _figures(self._made())

    def room(self) -> bool:
        """Half of the reserve: the live release writes too, and a shadow is not ended for that at once."""
        return shutil.disk_usage(self._folder.parent).free >= self._reserve_bytes // 2

    def memory_ratio(self) -> float:
        return available_ratio()

    def _made(self) -> Application:
        """Made when it is first needed: it takes a port."""
        if self._application is None:
            self._application = Application(
                self._folder, self._slots, self._env, log_limit_bytes=self._log_limit_bytes, frames=self._frames
            )
        return self._application


def _figures(application: ApplicationControl) -> Shown:
    port = application.endpoint().get("metrics_port")
    try:
        series = scrape.metrics(f"http://127.0.0.1:{port}/metrics", SCRAPE_S)
    except SurefootError:
        return None, {}
    return comparison.figures_of(series), {s.name: s.value for s in series if s.name in OWN and not s.labels}


def available_ratio() -> float:
    """Share of the node's memory that can still be given; 1 where the kernel does not say."""
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) / int(lines["MemTotal"].split()[0])
    except (OSError, KeyError, ValueError, IndexError, ZeroDivisionError):
        return 1.0
