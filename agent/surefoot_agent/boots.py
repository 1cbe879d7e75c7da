"""What the agent remembers from boot to boot: which boot it saw last, why this one began, which dumps it knows.

Promises: the cause of a boot is judged once, at the agent's first start in it, and stays the same for every later start
in that boot; a memory that is lost or cannot be written costs the explanation, never the start. Files in the state
folder, which is shared by both slots: `boots.json`; `clean_shutdown`, the boot id that surefoot-shutdown.service
leaves when the machine goes down in order; `stopped`, the boot id of an agent that was told to stop.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import durable, guard, reset_cause
from surefoot_agent.reset_cause import Cause, Origin
from surefoot_shared import wire
from surefoot_shared.errors import Invalid

log = logging.getLogger(__name__)
BOOTS, SHUT_DOWN, STOPPED = "boots.json", "clean_shutdown", "stopped"


@dataclass(frozen=True)
class Remembered:
    """`dumps` are the marks of the kernel dumps that were there: what is new belongs to the next boot."""

    boot_id: str
    cause: Cause
    dumps: tuple[str, ...] = ()
    kernel_tail: str = ""
    v: int = 1


def origin(state_dir: Path, boot_id: str, root: Path = Path("/")) -> Origin:
    """Return where this boot came from; remembers it for the agent's next start."""
    before = _recall(state_dir)
    if before is not None and before.boot_id == boot_id:
        _forget_stop(state_dir)
        return Origin(boot_id, before.cause, before.kernel_tail)
    known = frozenset(before.dumps) if before else frozenset[str]()
    marks = (_mark(state_dir / SHUT_DOWN), _mark(state_dir / STOPPED))
    seen = reset_cause.observe(boot_id, before.boot_id if before else None, marks, known, root)
    found = reset_cause.dumps(root)
    tail = reset_cause.kernel_tail([dump for dump in found if dump.mark not in known]) if before else ""
    cause = reset_cause.judge(seen)
    log.info("booted cause=%s previous_boot=%s facts=%s", cause.value, seen.previous_boot_id, seen)
    _remember(state_dir, Remembered(boot_id, cause, tuple(dump.mark for dump in found), tail))
    _forget_stop(state_dir)
    return Origin(boot_id, cause, tail)


def stopped(state_dir: Path, boot_id: str) -> None:
    """Leave the mark of an agent that was told to stop; weaker than the shutdown unit's, for boards without it."""
    try:
        guard.write_file(state_dir / STOPPED, boot_id.encode())
    except OSError as error:
        log.warning("stop_not_marked error=%s", error)


def _recall(state_dir: Path) -> Remembered | None:
    try:
        return wire.decode(Remembered, (state_dir / BOOTS).read_bytes())
    except (OSError, Invalid):
        return None


def _remember(state_dir: Path, boot: Remembered) -> None:
    try:
        guard.write_file(state_dir / BOOTS, wire.encode(boot))
    except OSError as error:
        log.warning("boot_not_remembered error=%s", error)


def _forget_stop(state_dir: Path) -> None:
    """The agent runs again: a mark of this boot would call a power cut clean."""
    try:
        durable.remove(state_dir / STOPPED)
    except OSError as error:
        log.warning("stop_mark_kept error=%s", error)


def _mark(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
