"""What `surefoot-agent status` shows: read from the files of a device, whether its agent runs or not.

Promises: changes nothing, and claims as running only what a live process proves, or of a root its boot control. The
keys are what --json prints.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from surefoot_agent import guard, plan, vigil
from surefoot_agent.clock import SystemClock, stamp
from surefoot_agent.holds import Moment, why_held
from surefoot_agent.journal import StoredFacts, read_facts
from surefoot_agent.ports import BootControl
from surefoot_agent.record import Record
from surefoot_shared.errors import Invalid, SurefootError
from surefoot_shared.status import AFTER_ARMED, AttemptState, SlotName, SlotState


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
    held: str
    """What the application or a person holds back now, whether anything waits or not; empty for nothing."""
    halted: tuple[str, ...]
    reason: str | None
    message: str
    last_assignment: str | None
    last_outcome: str | None
    last_reason: str | None
    last_message: str
    events_waiting: int
    journal_readable: bool = True
    agent_runs: bool | None = None
    """Whether an agent holds the state folder's lock; None where that cannot be said."""
    guard_runs: bool | None = None
    v: int = 1


def read_status(
    state_dir: Path, component: str, component_dir: Path | None = None, boot: Callable[[], BootControl] | None = None
) -> Status:
    """Read the status of one component; `component_dir` where it is not in the state folder.

    `boot` makes that of a component which is entered by a restart; None: the link says it.
    """
    try:
        facts = read_facts(state_dir / "journal.db", component)
        readable = True
    except (sqlite3.DatabaseError, Invalid):
        facts, readable = StoredFacts(Record(component, AttemptState.RESCUE), False, 0), False
    clock = SystemClock()
    now = Moment(clock.monotonic(), clock.boot_id(), stamp(clock.utc()))
    folder = component_dir or state_dir / component
    found = status_of(facts, folder, now, clock.utc(), readable, boot)
    return replace(found, agent_runs=vigil.agent_runs(state_dir), guard_runs=vigil.guard_runs(folder))


def status_of(
    facts: StoredFacts,
    component_dir: Path,
    now: Moment,
    utc: datetime,
    readable: bool,
    boot: Callable[[], BootControl] | None = None,
) -> Status:
    record = facts.record
    process = guard.load_application(component_dir)
    alive = process is not None and guard.process_alive(process)
    boot_slot, slots = _slots(component_dir, boot)
    running_slot = boot_slot if boot is not None else process.slot if process and alive else None
    start = process.start_id if process and alive else None
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
        running_slot=running_slot,
        running_pid=process.pid if process and alive else None,
        boot_slot=boot_slot,
        slots=slots,
        previous_kept=_way_back(record, boot_slot, slots),
        locked=facts.locked,
        waits=_waits(facts, start, now, utc),
        held=why_held(facts.holds, facts.locked, start, wish.assignment if wish else "", now) or "",
        halted=record.halted,
        reason=ending.reason if ending else None,
        message=ending.message if ending else "",
        last_assignment=ended.assignment if ended else None,
        last_outcome=ended.outcome.value if ended else None,
        last_reason=ended.reason if ended else None,
        last_message=ended.message if ended else "",
        events_waiting=facts.waiting,
        journal_readable=readable,
    )


def _slots(folder: Path, boot: Callable[[], BootControl] | None) -> tuple[str | None, dict[str, str]]:
    """The slot that runs and both marks, of the link or the bootloader; nothing where that does not answer."""
    if boot is None:
        return guard.current_slot(folder), guard.slot_states(folder)
    try:
        control = boot()
        return control.current().value, {slot.value: control.state(slot).value for slot in SlotName}
    except (SurefootError, OSError):
        return None, {}


def _way_back(record: Record, boot_slot: str | None, slots: dict[str, str]) -> bool:
    """While a release is on trial the way back is the slot before, which nothing overwrites."""
    good = {slot for slot, state in slots.items() if state == SlotState.GOOD.value}
    if record.state in AFTER_ARMED and record.previous is not None:
        return record.previous.value in good
    return record.previous_kept and boot_slot is not None and bool(good - {boot_slot})


def _waits(facts: StoredFacts, start: str | None, now: Moment, utc: datetime) -> str:
    wish = facts.record.wish
    if wish is None or facts.record.state is not AttemptState.STAGED:
        return ""
    came = plan.turn(wish, utc, why_held(facts.holds, facts.locked, start, wish.assignment, now))
    return came.why if isinstance(came, plan.Waits) else ""
