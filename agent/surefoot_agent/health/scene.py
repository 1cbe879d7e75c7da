"""What looks share and return: the scene of a round, what one look found, and what is kept from look to look.

Values only, and one small store with a lock. `part` is a piece of a check that stands or falls by itself: a camera
stream, a program of a folder; the empty name is the check as a whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_agent.health.camera import View
from surefoot_agent.ports import CheckResult, Running
from surefoot_shared.release import TreeFile


def _nothing() -> Mapping[str, float]:
    return {}


@dataclass(frozen=True)
class Scene:
    """What all looks of a round share. `running` is None where no proved process of the release runs."""

    running: Running | None
    tree: Path | None
    endpoint: Mapping[str, str]
    env: Mapping[str, str]
    pids: Callable[[], Sequence[int]]
    baseline: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, TreeFile] = field(default_factory=dict)
    """The signed files of the release that runs, by path."""
    node: Callable[[], Mapping[str, float]] = _nothing
    """The device's own metrics by name."""
    before: bool = False
    """True while the baseline is taken: what runs is the old release, and nothing may be done to it."""

    def known(self, check: str) -> Mapping[str, float]:
        """The baseline of one check, by metric."""
        start = f"{check}."
        return {key.removeprefix(start): value for key, value in self.baseline.items() if key.startswith(start)}


@dataclass(frozen=True)
class Finding:
    """What one look found. `broken` tells, part by part, what is wrong; `counts` is False where the release is not to
    blame whatever it says; `results` are those of the programs of a folder."""

    good: bool
    message: str
    measured: Mapping[str, float] = field(default_factory=dict)
    output: str = ""
    broken: Mapping[str, str] = field(default_factory=dict)
    counts: bool = True
    results: tuple[CheckResult, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What is kept of the camera looks at one start of the application."""

    first: View
    last: View
    cycles: int = 0
    """Times that this agent stopped and started the pipeline."""


class Memory:
    """What checks remember from look to look. An entry of another start of the application is not returned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cameras: dict[str, Seen] = {}
        self._restarts: dict[str, float] = {}

    def camera(self, check: str, start_id: str) -> Seen | None:
        with self._lock:
            seen = self._cameras.get(check)
        return seen if seen is not None and seen.first.start_id == start_id else None

    def keep_camera(self, check: str, seen: Seen) -> None:
        with self._lock:
            self._cameras[check] = seen

    def first_restarts(self, check: str, count: float) -> float:
        """Return the count of the first look at this unit; the one given, where this is the first."""
        with self._lock:
            return self._restarts.setdefault(check, count)
