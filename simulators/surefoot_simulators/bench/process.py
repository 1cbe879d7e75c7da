"""What one process and its children cost, read from /proc.

Promises: memory is resident memory of one process, CPU is its user and system time over a measured stretch of monotonic
time. Threads are included, children only where a name says so. Linux only. Source: proc(5).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Resident memory now, in MiB. Raises FileNotFoundError or ProcessLookupError once the process is gone."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def cpu_s(pid: int) -> float:
    """User and system time used so far, in seconds."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


def cpu_percent(pids: dict[str, int], over_s: float) -> dict[str, float]:
    """Share of one core that each process used during the same `over_s` seconds."""
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    began = time.monotonic()
    time.sleep(over_s)
    elapsed = time.monotonic() - began
    return {name: 100 * (cpu_s(pid) - before[name]) / elapsed for name, pid in pids.items()}


def children(pid: int) -> list[int]:
    """Direct children of a process, by every thread of it."""
    found = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for row in found for child in row]


@dataclass
class Together:
    """The most that this process and its children had of memory at one moment, in MiB."""

    peak_mib: float = 0.0

    def look(self) -> None:
        """Add up what each has now; pages that they share count in each, those of a child before its exec not twice."""
        own = os.getpid()
        total = rss_mib(own)
        for pid in children(own):
            try:
                total += rss_mib(pid) if _words(pid) != _words(own) else 0.0
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between the list and the look
        self.peak_mib = max(self.peak_mib, total)


def _words(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@contextmanager
def together(every_s: float) -> Iterator[Together]:
    """Look at this process and its children so often, from a thread; a peak between two looks is missed."""
    seen, done = Together(), threading.Event()

    def watch() -> None:
        while not done.wait(every_s):
            seen.look()

    thread = threading.Thread(target=watch, name="together", daemon=True)
    seen.look()
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
