"""What in the database is worth telling: a row that a transaction wrote becomes an entry of the feed, or none.

Promises: pure; an entry says what the row says and nothing more. Whoever changes a rollout's state, ends an attempt or
records an act needs to know nothing of the feed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import inspect
from sqlmodel import SQLModel

from surefoot_server.audit.models import AuditEntry
from surefoot_server.devices.models import Assignment, Device
from surefoot_server.events.models import Happening
from surefoot_server.rollouts.models import Rollout, RolloutPhase

Entry = Mapping[str, Any]
KINDS = {
    "rollout": Happening.DECISION,
    "flag": Happening.FLAG,
    "drill": Happening.DRILL,
    "keys.expiring": Happening.ALARM,
    "server.outage": Happening.ALARM,
    "rollout.hold_back": Happening.ALARM,  # devices keep a release that is taken back until a person says so
}
"""Action of an audit row, or its first word, → kind; any other is an act like all others."""


def told_by(row: object, now: datetime) -> Iterator[Entry]:
    """The entries that a flushed row amounts to; its attributes still know what they were."""
    match row:
        case AuditEntry():
            yield _act(row)
        case Rollout():
            yield from _rollout(row, now)
        case RolloutPhase():
            yield from _phase(row, now)
        case Assignment():
            yield from _attempt(row, now)
        case Device():
            yield from _device(row, now)


def _act(row: AuditEntry) -> Entry:
    kind, _, thing = row.object.partition(":")
    detail = {"action": row.action, "seq": row.seq, **row.detail}
    return _entry(
        KINDS.get(row.action) or KINDS.get(row.action.partition(".")[0], Happening.AUDIT),
        row.object,
        row.at,
        detail,
        rollout=thing if kind == "rollout" else None,
        device=thing if kind == "device" else _named(row.detail.get("device")),
        actor=row.actor,
    )


def _rollout(row: Rollout, now: datetime) -> Iterator[Entry]:
    was = _was(row, "state")
    detail: dict[str, Any]
    if was is not None:
        detail = {"state": row.state, "was": was or None, "release": row.release_id, "reason": row.reason}
        yield _entry(Happening.ROLLOUT, f"rollout:{row.id}", now, detail, rollout=row.id)
    elif _holds_back(row):
        detail = {"state": row.state, "was": row.state, "held": True, "release": row.release_id, "reason": row.reason}
        yield _entry(Happening.ROLLOUT, f"rollout:{row.id}", now, detail, rollout=row.id)


def _phase(row: RolloutPhase, now: datetime) -> Iterator[Entry]:
    subject, named = f"rollout:{row.rollout_id}", {"phase": row.index, "name": row.name}
    if row.verdict is not None and (_was(row, "verdict") is not None or _was(row, "evidence") is not None):
        detail = {**named, "verdict": row.verdict, "looks": row.looks, "reason": row.evidence.get("reason", row.reason)}
        yield _entry(Happening.VERDICT, subject, now, detail, rollout=row.rollout_id)
    was = _was(row, "state")
    if was:  # a phase that is new begins with its rollout, which is told already
        detail = {**named, "state": row.state, "was": was, "reason": row.reason}
        yield _entry(Happening.PHASE, subject, now, detail, rollout=row.rollout_id)


def _attempt(row: Assignment, now: datetime) -> Iterator[Entry]:
    if row.outcome is None or _was(row, "outcome") is None:
        return
    names = ("component", "outcome", "reason", "message", "intent")
    detail = {"release": row.release_id, "assignment": row.id, **{name: getattr(row, name) for name in names}}
    by = f"device:{row.device_id}" if row.outcome_by == "device" else "engine"
    subject = f"device:{row.device_id}"
    yield _entry(Happening.OUTCOME, subject, now, detail, rollout=row.rollout_id, device=row.device_id, actor=by)


def _device(row: Device, now: datetime) -> Iterator[Entry]:
    if row.attention is None or _was(row, "attention") is None:
        return
    detail = {"alarm": row.attention, "reason": row.attention_reason, "message": row.attention_message}
    yield _entry(Happening.ALARM, f"device:{row.id}", now, detail, device=row.id)


def _holds_back(row: Rollout) -> bool:
    """Whether its way back has just been held: its state stays, and people must be told all the same."""
    history = inspect(row).attrs["back"].history
    was = history.deleted[0] if history.deleted else None
    return bool(history.added) and bool(row.back.get("held")) and not (was or {}).get("held")


def _was(row: SQLModel, name: str) -> str | None:
    """None where the attribute is as it was, else its old value as text, "" where there was none."""
    history = inspect(row).attrs[name].history
    if not history.added:
        return None
    return str(history.deleted[0]) if history.deleted and history.deleted[0] is not None else ""


def _named(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _entry(
    kind: Happening,
    subject: str,
    at: datetime,
    detail: Mapping[str, Any],
    rollout: str | None = None,
    device: str | None = None,
    actor: str = "",
) -> Entry:
    kept = {key: value for key, value in detail.items() if value not in (None, "")}
    return {
        "at": at,
        "kind": kind.value,
        "subject": subject,
        "rollout_id": rollout,
        "device_id": device,
        "actor": actor,
        "detail": kept,
    }
