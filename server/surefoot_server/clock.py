"""What happens by itself: the engine's tick, fresh metadata, retention. The only import of apscheduler.

Promises: of several servers on one database only the leader runs what is not `everywhere`; a job never overlaps itself,
a missed run is made up once and not many times, and a job that fails is logged and tried at its next time. Refuses to
decide: it calls what decides.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler

log = logging.getLogger(__name__)
logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it tells of every late run; /metrics has each job's duration

Job = Callable[[], object]


class Clock:
    """Named jobs at fixed intervals, in threads of their own."""

    def __init__(self, leads: Callable[[], bool] = lambda: True) -> None:
        self._leads = leads
        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._lock = threading.Lock()
        self._failing: dict[str, str] = {}
        self._ran: dict[str, float] = {}

    def every(self, interval_s: float, name: str, job: Job, *, everywhere: bool = False) -> None:
        """Run the job at this interval; `everywhere` also on a server that does not lead."""

        def run() -> None:
            if everywhere or self._leads():
                self._run(name, job)

        self._scheduler.add_job(run, "interval", seconds=interval_s, id=name)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """Let the running jobs finish; start no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def problem(self) -> str:
        """One sentence about jobs that failed at their last run, "" where all is well."""
        with self._lock:
            return "; ".join(f"{name} failed: {error}" for name, error in sorted(self._failing.items()))

    def took_s(self) -> dict[str, float]:
        """Seconds that each job's last run took."""
        with self._lock:
            return dict(self._ran)

    def _run(self, name: str, job: Job) -> None:
        began, error = time.monotonic(), ""
        try:
            job()
        except Exception as raised:  # the next run must come, whatever happened in this one
            log.exception("job_failed job=%s", name)
            error = str(raised)[:200] or type(raised).__name__
        with self._lock:
            self._ran[name] = time.monotonic() - began
            self._failing.pop(name, None)
            if error:
                self._failing[name] = error
