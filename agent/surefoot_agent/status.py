"""What `surefoot-agent status` shows: read from the files of a device, whether its agent runs or not.

Promises: changes nothing, and claims as running only what a live process proves. The keys are what --json prints.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from surefoot_agent import guard, plan
from surefoot_agent.clock import SystemClock, stamp
from surefoot_agent.holds import Moment, why_held
from surefoot_agent.journal import StoredFacts, read_facts
from surefoot_agent.record import Record
from surefoot_shared.errors import Invalid
from surefoot_shared.status import AttemptState, SlotState


@dataclass(frozen=True)
class Status:
    """`wanted` is the release under way, `running_slot` the slot of the live application, None where none lives."""

    component: str
    state: AttemptState
    assignment: str | None
    wanted: str | None
    attempt: int
    seq: int
    committed: str | None
    committed_digest: str | None
    running_slot: str | None
    running_pid: int | None
    boot_slot: str | None
    slots: dict[str, str]
    previous_kept: bool
    locked: bool
    waits: str
    """Why a staged release does not switch yet; empty where nothing waits."""
    halted: tuple[str, ...]
    reason: str | None
    message: str
    last_assignment: str | None
    last_outcome: str | None
    last_reason: str | None
    events_waiting: int
    journal_readable: bool = True
    v: int = 1


def read_status(state_dir: Path, component: str, component_dir: Path | None = None) -> Status:
    """Read the status of one component; `component_dir` where it is not in the state folder."""
    try:
        facts = read_facts(state_dir / "journal.db", component)
        readable = True
    except (sqlite3.DatabaseError, Invalid):
        facts, readable = StoredFacts(Record(component, AttemptState.RESCUE), False, 0), False
    clock = SystemClock()
    now = Moment(clock.monotonic(), clock.boot_id(), stamp(clock.utc()))
    return status_of(facts, component_dir or state_dir / component, now, clock.utc(), readable)


def status_of(facts: StoredFacts, component_dir: Path, now: Moment, utc: datetime, readable: bool) -> Status:
    record = facts.record
    process = guard.load_application(component_dir)
    alive = process is not None and guard.process_alive(process)
    boot_slot, slots = guard.current_slot(component_dir), guard.slot_states(component_dir)
    other_good = any(state == SlotState.GOOD.value for slot, state in slots.items() if slot != boot_slot)
    ending, ended, committed, wish = record.ending, record.ended, record.committed, record.wish
    return Status(
        component=record.component,
        state=record.state,
        assignment=wish.assignment if wish else None,
        wanted=wish.note.version if wish else None,
        attempt=record.attempt,
        seq=record.seq,
        committed=committed.release if committed else None,
        committed_digest=committed.digest if committed else None,
        running_slot=process.slot if process and alive else None,
        running_pid=process.pid if process and alive else None,
        boot_slot=boot_slot,
        slots=slots,
        previous_kept=record.previous_kept and boot_slot is not None and other_good,
        locked=facts.locked,
        waits=_waits(facts, process.start_id if process and alive else None, now, utc),
        halted=record.halted,
        reason=ending.reason if ending else None,
        message=ending.message if ending else "",
        last_assignment=ended.assignment if ended else None,
        last_outcome=ended.outcome.value if ended else None,
        last_reason=ended.reason if ended else None,
        events_waiting=facts.waiting,
        journal_readable=readable,
    )


def _waits(facts: StoredFacts, start: str | None, now: Moment, utc: datetime) -> str:
    wish = facts.record.wish
    if wish is None or facts.record.state is not AttemptState.STAGED:
        return ""
    came = plan.turn(wish, utc, why_held(facts.holds, facts.locked, start, wish.assignment, now))
    return came.why if isinstance(came, plan.Waits) else ""
