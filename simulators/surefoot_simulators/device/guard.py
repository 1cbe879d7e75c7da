"""The guard of a simulated device: the guard's own file, run at the board's time on the board's process table.

Promises: what it decides and writes is decided and written by `surefoot_agent.guard` itself; only the edge to a kernel
(time, boot id, processes, restarts) is the board's while it looks, and the kernel's again afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from surefoot_agent import guard
from surefoot_shared.status import SlotName
from surefoot_simulators.device.board import Board


def deadline_s(component_dir: Path) -> float | None:
    """When, by the board's monotonic clock, the guard will act at the latest; None where nothing is on trial."""
    trial = guard.load_trial(component_dir)
    if trial is None or trial.get("finished") or trial["verdict"] == "healthy":
        return None
    return float(str(trial["deadline_monotonic"]))


def look(
    component_dir: Path, board: Board, bring_back: Callable[[SlotName], None], restart: Callable[[], None]
) -> bool:
    """Let the guard look once; `bring_back` starts the old application, `restart` is what a machine's way back asks."""
    with _on(board, bring_back, restart, component_dir.parent / "system/proc/cmdline"):
        return guard.look(component_dir)


@contextmanager
def _on(
    board: Board, bring_back: Callable[[SlotName], None], restart: Callable[[], None], cmdline: Path
) -> Iterator[None]:
    places: Mapping[str, object] = {
        "time": SimpleNamespace(monotonic=board.monotonic, time=time.time, sleep=lambda _s: None),
        "boot_id": board.boot_id,
        "CMDLINE": cmdline,
        "_run": lambda _argv: restart(),
        "load_application": lambda _folder: None,
        "stop_application": lambda _folder, _stop_s: None,
        "spawn_application": lambda _folder, spec: bring_back(SlotName(spec.slot)),
        "keep_last_words": lambda _folder: None,
        "_say": lambda _event, **_facts: None,
    }
    before = {name: getattr(guard, name) for name in places}
    try:
        for name, value in places.items():
            setattr(guard, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(guard, name, value)
