"""Apply what a device reports (hello, events) to its rows: the only code that turns a report into an assignment's end.

Promises: duplicates and replays change nothing; an outcome is believed once, from the device over the server's guess;
`committed` counts only with a proof that the assigned digest runs from a slot marked good, else the claim is stored as
suspicious; the returned watermark never covers an event that is not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any

from sqlmodel import Session

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.devices import ahead, attention, repository, sets
from surefoot_server.devices.models import Assignment, Device, DeviceComponent, DeviceEvent, DeviceStream
from surefoot_shared import wire
from surefoot_shared.errors import NotFound
from surefoot_shared.messages import USABLE_AGAIN, ComponentReport, Event, EventKind, Hello
from surefoot_shared.status import AttemptState, Outcome

NUL_SHOWN = "\N{SYMBOL FOR NULL}"
HELLOS_KEPT = 16
"""A replay is refused by its number alone; this many nonces prove which refused ones were signed twice."""
TEXT_LIMIT = attention.TEXT_LIMIT


class HelloVerdict(str, Enum):
    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    CONFLICT = "conflict"


def take_hello(session: Session, device: Device, hello: Hello, now: datetime) -> HelloVerdict:
    """Apply a genuine hello; the verdict says whether it was new, an old copy, or proof of two agents with one key."""
    stream = repository.stream(session, device.id, hello.stream)
    if hello.seq <= stream.hello_seq:
        signed_twice = any(seq == hello.seq and nonce != hello.nonce for seq, nonce in stream.hellos)
        if not signed_twice:
            if hello.seq < stream.hello_seq:  # the newest one comes twice honestly: delivery is at least once
                detail = {"seq": hello.seq, "newest": stream.hello_seq}
                audit.record_seldom(session, "gateway", "hello.replayed", f"device:{device.id}", detail, now)
            return HelloVerdict.REPLAYED
        _raise_conflict(session, device, hello, now)
        return HelloVerdict.CONFLICT
    stream.hello_seq, stream.resync = hello.seq, True
    stream.hellos = [*stream.hellos, [hello.seq, hello.nonce]][-HELLOS_KEPT:]
    session.add(stream)
    anew = hello.instance not in ("", device.instance)
    returned = anew and hello.instance == device.previous_instance
    if hello.instance != device.instance:
        device.previous_instance, device.instance = device.instance, hello.instance
    if not returned:
        attention.greeted(device, hello, now, anew)
    _copy_hello(device, hello, now)
    for report in hello.components:
        _take_component(session, device, report, now)
    if returned:
        _raise_conflict(session, device, hello, now)
        return HelloVerdict.CONFLICT
    return HelloVerdict.ACCEPTED


def ask_anew(session: Session, hello: Hello, next_seq: Callable[[], int]) -> None:
    """Number anew what the device has taken and, by what it runs, carried out, while no outcome of it is stored.

    The outcome may follow in a moment; or it was acknowledged by a server whose database was lost since, and never
    comes: to the higher number the device answers that it is there already, and proves it. Another end it is not asked
    for: a release that went back or failed would be tried again.
    """
    idle = {c.component: c for c in hello.components if c.state is AttemptState.IDLE and c.digest is not None}
    for row in ahead.wanted(session, hello.device) if idle else ():
        said = idle.get(row.component)
        if said and row.outcome_by != "device" and row.seq <= said.seq and row.digest == said.digest:
            row.seq = next_seq()
            session.add(row)


def take_events(session: Session, device: Device, events: Sequence[Event], now: datetime) -> int:
    """Store the events of one stream that are new and apply them in order; return the stream's watermark."""
    mine = {e.seq: _storable(e) for e in events if e.device == device.id}
    if not mine:
        return 0
    stream = repository.stream(session, device.id, events[0].stream)
    highest = ahead.highest_seq(session, device.id, stream.stream)
    known = repository.stored_seqs(session, device.id, stream.stream, mine) if min(mine) <= highest else set()
    rows = []
    for seq in sorted(mine.keys() - known):
        suspicious = _apply(session, device, mine[seq], seq > highest, now)
        rows.append(_row(mine[seq], suspicious, now))
    db.insert_ignoring(session, DeviceEvent, rows)
    ahead.stored(session, device.id, stream.stream, max(mine))
    _advance(stream, sorted(mine))
    session.add(stream)
    return stream.event_seq


def _storable(event: Event) -> Event:
    """A check's output may hold a NUL, as files do after a power cut; PostgreSQL stores none, and what it refused would
    be sent again for ever.
    """
    return replace(event, message=event.message.replace("\0", NUL_SHOWN)) if "\0" in event.message else event


def _advance(stream: DeviceStream, seqs: Sequence[int]) -> None:
    """Move the watermark over what is stored without a hole; right after a hello a hole below the batch is for good."""
    if stream.resync and seqs[0] > stream.event_seq + 1:
        stream.event_seq = seqs[0] - 1
    stream.resync = False
    for seq in seqs:
        if seq == stream.event_seq + 1:
            stream.event_seq = seq


def _apply(session: Session, device: Device, event: Event, newest: bool, now: datetime) -> str | None:
    if event.kind is EventKind.FELL_BACK:
        _fell_back(session, device, event, now)
        return None
    if event.kind is EventKind.SECURITY:
        message = event.message or f"It refused something untrusted: {event.reason}."
        attention.attend(device, attention.SECURITY, message, now, event.reason)
        return None
    if event.kind is EventKind.NOTICE and event.reason == USABLE_AGAIN:
        attention.usable_again(device)
        return None
    if event.kind is EventKind.NOTICE and (told := attention.TOLD.get(event.reason or "")):
        if newest:
            attention.attend(device, told, event.message, now, event.reason)
        return None
    if event.assignment is None:
        return None
    try:
        row = repository.assignment(session, event.assignment)
    except NotFound:
        return "unknown assignment"
    if row.device_id != device.id:
        return "assignment of another device"
    if newest and event.state is not None:
        _component(session, device.id, row.component, now).state = event.state.value
    if event.vacated and row.vacated_at is None:
        _vacated(session, row, now)
    if event.kind is EventKind.PROGRESS and newest and row.outcome_by != "device":
        _progress(row, event, now)
    if event.kind is EventKind.OUTCOME:
        return _end(session, device, row, event, now)
    session.add(row)
    return None


def _progress(row: Assignment, event: Event, now: datetime) -> None:
    row.full, waits = (
        event.full,
        event.state is AttemptState.STAGED or event.full,
    )  # it says now and then that it still waits, and for what
    if event.state is not None and (waits or event.state.value != row.state or event.progress != row.progress):
        row.state, row.state_at = event.state.value, now  # progress renews the step's timeout
    row.progress = event.progress
    row.message = event.message[:TEXT_LIMIT]


def _vacated(session: Session, row: Assignment, now: datetime) -> None:
    """It gave up the release that it ran: nothing runs until its new one does."""
    row.vacated_at = now
    part = _component(session, row.device_id, row.component, now)
    if part.digest != row.digest:
        part.slot = part.release_id = part.digest = None
        part.updated_at = now
        session.add(part)


def _end(session: Session, device: Device, row: Assignment, event: Event, now: datetime) -> str | None:
    if event.outcome is None:
        return "outcome event without outcome"
    if event.outcome is Outcome.COMMITTED and (doubt := _doubt(row, event)) is not None:
        attention.attend(
            device, "suspicious_outcome", f"It claimed to have committed {row.release_id}, but {doubt}.", now
        )
        detail = {"assignment": row.id, "doubt": doubt}
        audit.record(session, f"device:{device.id}", "outcome.suspicious", f"device:{device.id}", detail, now)
        return doubt
    if row.outcome_by == "device":
        return None
    if event.outcome is Outcome.COMMITTED and row.outcome is None and sets.waits_for_others(session, row):
        _waits(session, device, row, event, now)
        return None
    if row.outcome is not None and row.outcome != event.outcome.value:
        detail = {"assignment": row.id, "was": row.outcome, "is": event.outcome.value}
        audit.record(session, f"device:{device.id}", "outcome.corrected", f"device:{device.id}", detail, now)
    row.open, row.outcome, row.outcome_by = False, event.outcome.value, "device"
    row.state, row.state_at, row.ended_at = AttemptState.IDLE.value, now, now
    row.reason, row.message = event.reason, event.message[:TEXT_LIMIT]
    row.report, row.proof = _plain(event.report), _plain(event.proof)
    if row.wanted:
        row.wanted = False
        db.mark_dirty(session, device.id)
    session.add(row)
    attention.refused(device, event.reason, event.message, now)
    if event.outcome is Outcome.COMMITTED and event.proof is not None:
        attention.committed(device)
        _runs(session, device, row, event.proof.slot.value, now)
    if row.joint is not None:
        session.flush()
        sets.settle(session, row, now)
    return None


def _waits(session: Session, device: Device, row: Assignment, event: Event, now: datetime) -> None:
    """Its part is done; it stays wanted, since a device takes no set that is not whole, and ends with the last."""
    row.state, row.state_at, row.proof = AttemptState.COMMITTING.value, now, _plain(event.proof)
    row.message = event.message[:TEXT_LIMIT]
    session.add(row)
    attention.committed(device)
    assert event.proof is not None  # without one it was not believed
    _runs(session, device, row, event.proof.slot.value, now)


def _doubt(row: Assignment, event: Event) -> str | None:
    """Why a claim to have committed is not believed; promise 2 in three tests."""
    if event.proof is None:
        return "it gave no proof"
    if event.proof.digest != row.digest:
        return "what runs is not the assigned digest"
    return None if event.proof.marked_good else "the new slot is not marked good"


def _runs(session: Session, device: Device, row: Assignment, slot: str, now: datetime) -> None:
    part = _component(session, device.id, row.component, now)
    if row.seq < part.seq:
        return  # a late report of an attempt that is history
    part.slot, part.release_id, part.digest = slot, row.release_id, row.digest
    part.state, part.assignment_id, part.seq, part.updated_at = AttemptState.IDLE.value, row.id, row.seq, now
    session.add(part)


def _fell_back(session: Session, device: Device, event: Event, now: datetime) -> None:
    """A committed release did not hold: what runs is unknown until the proof or a hello names it.

    The hello may have come first (a device says hello, then sends what it kept): what it named is not forgotten. The
    attempt that ended so well counts as reverted from now on: its rollout judges by that.
    """
    if event.component is None:
        return
    part = _component(session, device.id, event.component, now)
    fell = repository.last_committed(session, device.id, event.component)
    if event.proof is not None or part.digest in (None, fell.digest if fell else None):
        part.digest = event.proof.digest if event.proof else None
        part.slot = event.proof.slot.value if event.proof else None
        part.release_id, part.updated_at = repository.release_by_digest(session, part.digest), now
        session.add(part)
    # Told again, it is no news: an older commit must not pay for it, which the device had left long before.
    told = device.attention == "fell_back"
    if fell is not None and not told and (event.proof is None or event.proof.digest != fell.digest):
        fell.outcome, fell.reason, fell.ended_at = Outcome.REVERTED.value, event.reason or "commit_lost", now
        fell.strayed_at = None
        fell.message = event.message[:TEXT_LIMIT] or "It fell back to its previous release after the commit."
        session.add(fell)
        session.flush()
        sets.settle(session, fell, now)
    attention.attend(device, "fell_back", event.message or "It fell back to its previous release after a commit.", now)
    detail = {"component": event.component, "reason": event.reason, "runs": part.release_id}
    audit.record(session, f"device:{device.id}", "device.fell_back", f"device:{device.id}", detail, now)


def _copy_hello(device: Device, hello: Hello, now: datetime) -> None:
    device.last_seen_at = device.hello_at = now
    device.online = True
    device.hw, device.agent, device.boot_id = hello.hw, hello.agent, hello.boot_id
    device.clock_source, device.stream = hello.clock_source, hello.stream
    device.image_versions = _plain(hello.image) or {}
    device.director_versions = _plain(hello.director) or {}
    device.halt_epoch, device.svn_floor = hello.halt_epoch, hello.svn_floor


def _take_component(session: Session, device: Device, report: ComponentReport, now: datetime) -> None:
    part = _component(session, device.id, report.component, now)
    if report.digest != part.digest:
        _stray(session, device, report, now)
    part.slot, part.digest = report.slot.value if report.slot else None, report.digest
    part.release_id = repository.release_by_digest(session, report.digest)
    part.slots = {name: _plain(slot) or {} for name, slot in report.slots.items()}
    part.state, part.assignment_id, part.seq = report.state.value, report.assignment, report.seq
    part.previous_kept, part.updated_at = report.previous_kept, now
    part.abilities = list(report.abilities)
    session.add(part)
    row = session.get(Assignment, report.assignment) if report.assignment else None
    working = row is not None and row.device_id == device.id and row.outcome_by != "device"
    if row is not None and working and report.state is not AttemptState.IDLE and row.state != report.state.value:
        row.state, row.state_at = report.state.value, now
        session.add(row)


def _stray(session: Session, device: Device, report: ComponentReport, now: datetime) -> None:
    """What runs has changed by no report of an attempt: was it committed, its rollout is to look at the device."""
    newest = repository.newest(session, device.id, report.component)
    if newest is None or newest.outcome != Outcome.COMMITTED.value or newest.digest == report.digest:
        return
    # Of a set the member that belongs to the rollout is looked at, whichever component it was.
    led = (sets.leading(session, newest) if newest.joint is not None else None) or newest
    if led.outcome == Outcome.COMMITTED.value:
        led.strayed_at = now
        session.add(led)
    detail = {"component": report.component, "committed": newest.release_id, "digest": report.digest}
    audit.record(session, f"device:{device.id}", "device.strayed", f"device:{device.id}", detail, now)


def _component(session: Session, device_id: str, name: str, now: datetime) -> DeviceComponent:
    found = repository.component(session, device_id, name)
    if found is None:
        found = DeviceComponent(device_id=device_id, component=name, updated_at=now)
        session.add(found)
        session.flush()
    return found


def _raise_conflict(session: Session, device: Device, hello: Hello, now: datetime) -> None:
    known = device.attention == attention.CONFLICT
    attention.attend(
        device, attention.CONFLICT, "Two agents use its identity; enrol one of them under its own id.", now
    )
    if known:
        return
    detail = {"instance": hello.instance, "other": device.previous_instance, "stream": hello.stream}
    audit.record(session, f"device:{device.id}", "device.identity_conflict", f"device:{device.id}", detail, now)
    session.add(device)


def _row(event: Event, suspicious: str | None, now: datetime) -> Mapping[str, Any]:
    return {
        "device_id": event.device,
        "stream": event.stream,
        "seq": event.seq,
        "at": event.at,
        "received_at": now,
        "boot_id": event.boot_id,
        "kind": event.kind.value,
        "component": event.component,
        "assignment_id": event.assignment,
        "attempt": event.attempt,
        "state": event.state.value if event.state else None,
        "outcome": event.outcome.value if event.outcome else None,
        "reason": event.reason,
        "message": event.message[:TEXT_LIMIT],
        "progress": event.progress,
        "proof": _plain(event.proof),
        "report": _plain(event.report),
        "suspicious": suspicious,
    }


def _plain(value: object | None) -> dict[str, Any] | None:
    if value is None:
        return None
    plain = wire.to_json(value)
    assert isinstance(plain, dict)
    return plain
