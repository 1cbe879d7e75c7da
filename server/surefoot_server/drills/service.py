"""Drills as the server runs them: choose the devices, order them back and forth, note the times.

Promises: a device that a rollout is at work on, that sleeps, or whose way back is not known takes no part and says why;
each order is an ordinary assignment with its audit row; a restart goes on where it was. Refuses two drills of one
component at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.audit import service as audit
from surefoot_server.cohorts import service as cohorts
from surefoot_server.db import Database
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.devices.service import DeviceService
from surefoot_server.drills.course import ENDED, Order, Step, ended, follow
from surefoot_server.drills.models import Drill, DrillDevice, DrillSchedule
from surefoot_server.releases import repository as releases
from surefoot_server.rollouts import repository as rollouts
from surefoot_shared.errors import Conflict, NotFound, SurefootError
from surefoot_shared.status import Intent, Outcome

ACTOR = "drill"
RUNNING, PASSED, FAILED = "running", "passed", "failed"


@dataclass(frozen=True, slots=True)
class Plan:
    """A device of the drill: from which release to which and back, or why it takes no part."""

    device: str
    release: str | None
    previous: str | None
    skipped: str = ""


class DrillService:
    def __init__(self, db: Database, devices: DeviceService) -> None:
        self._db, self._devices = db, devices

    def run(self, component: str, cohort: str, limit_s: float, by: str, now: datetime) -> str:
        """Begin a drill; returns its id. Raises Conflict where nobody can take part or one is running."""
        with self._db.write() as session:
            return self._begin(session, component, cohort, limit_s, by, now)

    def schedule(
        self, component: str, cohort: str, every_s: float, limit_s: float, by: str, now: datetime
    ) -> DrillSchedule:
        """Run it every so often, the first time now + every; raises NotFound for a cohort or component of nobody."""
        with self._db.write() as session:
            cohorts.resolve(session, cohort)
            _check_component(session, component)
            row = DrillSchedule(
                component=component,
                cohort=cohort,
                every_s=every_s,
                limit_s=limit_s,
                next_at=now + timedelta(seconds=every_s),
                created_by=by,
            )
            session.add(row)
            session.flush()
            detail = {"component": component, "cohort": cohort, "every_s": every_s, "limit_s": limit_s}
            audit.record(session, by, "drill.schedule", f"drill-schedule:{row.id}", detail, now)
            return row

    def unschedule(self, schedule_id: int, by: str, now: datetime) -> DrillSchedule:
        with self._db.write() as session:
            row = session.get(DrillSchedule, schedule_id)
            if row is None:
                raise NotFound("not_found", f"There is no schedule {schedule_id}.", "`surefoot drill list` shows all.")
            if row.stopped_at is None:
                row.stopped_at = now
                session.add(row)
                audit.record(session, by, "drill.unschedule", f"drill-schedule:{row.id}", {}, now)
            return row

    def sweep(self, now: datetime) -> None:
        """Begin what is due, and let every device of a running drill take its next step."""
        with self._db.read() as session:
            due = _due(session, now)
            running = list(session.exec(select(Drill.id).where(Drill.state == RUNNING)))
        for schedule in due:
            self._begin_due(schedule, now)
        for drill_id in running:
            with self._db.write() as session:
                self._go_on(session, drill_id, now)

    def _begin_due(self, schedule_id: int, now: datetime) -> None:
        """A drill that cannot begin is one that failed: nobody must believe that it was rehearsed."""
        with self._db.write() as session:
            row = session.get(DrillSchedule, schedule_id)
            assert row is not None
            missed = int((now - row.next_at).total_seconds() // row.every_s) + 1
            row.next_at += timedelta(seconds=row.every_s * missed)
            session.add(row)
            component, cohort, limit_s = row.component, row.cohort, row.limit_s
        try:
            self.run(component, cohort, limit_s, ACTOR, now)
        except SurefootError as error:
            with self._db.write() as session:
                drill = _insert(session, component, cohort, limit_s, ACTOR, now)
                _end(session, drill, False, error.message, now)

    def _begin(self, session: Session, component: str, cohort: str, limit_s: float, by: str, now: datetime) -> str:
        query = select(Drill).where(Drill.component == component, Drill.state == RUNNING)
        if (other := session.exec(query).first()) is not None:
            raise Conflict("conflict", f"Drill {other.id} of {component} is still running.", "Wait for its end.")
        _check_component(session, component)
        plans = plan(session, component, cohort)
        if not any(not p.skipped for p in plans):
            why = f"{plans[0].device}: {plans[0].skipped}" if plans else f"nobody belongs to {cohort}"
            raise Conflict("conflict", f"No device can take part in the drill ({why}).", "Tag lab devices, or wait.")
        drill = _insert(session, component, cohort, limit_s, by, now)
        audit.record(session, by, "drill.start", f"drill:{drill.id}", {"component": component, "cohort": cohort}, now)
        for each in plans:
            self._enter(session, drill, each, now)
        session.flush()
        return drill.id

    def _enter(self, session: Session, drill: Drill, each: Plan, now: datetime) -> None:
        row = DrillDevice(
            drill_id=drill.id,
            device_id=each.device,
            step=(Step.SKIPPED if each.skipped else Step.REVERTING).value,
            reason=each.skipped,
            release_id=each.release,
            previous_release_id=each.previous,
        )
        if not each.skipped:
            self._order(session, drill, row, str(each.previous), Intent.REVERT, now)
        session.add(row)

    def _order(
        self, session: Session, drill: Drill, row: DrillDevice, release: str, intent: Intent, now: datetime
    ) -> None:
        try:
            made = self._devices.assign(session, row.device_id, drill.component, release, intent, None, None, now)
        except Conflict as error:  # revoked, or other hardware by now
            row.step, row.reason = Step.FAILED.value, error.message
        else:
            row.assignment_id = made.id
            detail = {"device": row.device_id, "release": release, "intent": intent.value, "assignment": made.id}
            audit.record(session, ACTOR, "drill.order", f"drill:{drill.id}", detail, now)

    def _go_on(self, session: Session, drill_id: str, now: datetime) -> None:
        drill = session.get(Drill, drill_id)
        assert drill is not None
        rows = list(session.exec(select(DrillDevice).where(DrillDevice.drill_id == drill_id)))
        for row in rows:
            if Step(row.step) not in ENDED:
                self._step(session, drill, row, now)
        steps = [(row.device_id, Step(row.step)) for row in rows]
        if (end := ended(steps, [row.revert_s for row in rows if row.revert_s is not None])) is not None:
            _end(session, drill, *end, now)

    def _step(self, session: Session, drill: Drill, row: DrillDevice, now: datetime) -> None:
        wish = session.get(Assignment, row.assignment_id)
        assert wish is not None
        outcome = Outcome(wish.outcome) if wish.outcome else None
        step = Step(row.step)
        move = follow(
            step, Order(wish.offered_at, outcome, wish.ended_at, wish.message or wish.reason or ""), drill.limit_s, now
        )
        if move is None:
            return
        row.step, row.reason = move.step.value, move.reason
        if step is Step.REVERTING:
            row.revert_s = move.took_s
        else:
            row.apply_s = move.took_s
        if move.step is Step.APPLYING:
            self._order(session, drill, row, str(row.release_id), Intent.UPDATE, now)
        elif move.step is Step.FAILED and wish.open:
            self._devices.withdraw(session, wish.id, Outcome.CANCELLED, "cancelled_by_order", now)
        session.add(row)


def plan(session: Session, component: str, cohort: str) -> list[Plan]:
    """Who takes part, from which release to which, and who does not and why; a few queries, however many they are."""
    ids = set(cohorts.devices(session, cohorts.resolve(session, cohort).expression))
    claims = rollouts.claims_on(session, component, rollouts.AT_WORK)
    busy, previous = _busy(session, component), _previous(session, component)
    query = (
        select(Device.id, Device.revoked_at, Device.online, DeviceComponent.release_id)
        .join(DeviceComponent, col(DeviceComponent.device_id) == col(Device.id))
        .where(DeviceComponent.component == component)
        .order_by(col(Device.id))
    )
    plans = []
    for device, revoked_at, online, release in session.exec(query):
        if device in ids:
            back, skipped = previous.get(device), ""
            if revoked_at is not None:
                skipped = "its certificate is revoked"
            elif not online:
                skipped = "it is not connected"
            elif device in claims:
                skipped = f"rollout {claims[device]} is at work on it"
            elif device in busy:
                skipped = "it is at work on another order"
            elif release is None or back is None:
                skipped = "no earlier release of it is known"
            plans.append(Plan(device, release, back, skipped))
    return plans


def _previous(session: Session, component: str) -> dict[str, str]:
    """Device → what ran before the release that runs now: the newest order that was committed says so."""
    query = (
        select(Assignment.device_id, Assignment.release_id, Assignment.previous_release_id)
        .join(
            DeviceComponent,
            sa.and_(
                col(DeviceComponent.device_id) == col(Assignment.device_id),
                col(DeviceComponent.component) == col(Assignment.component),
                col(DeviceComponent.release_id) == col(Assignment.release_id),
            ),
        )
        .where(Assignment.component == component, Assignment.outcome == Outcome.COMMITTED.value)
        .order_by(col(Assignment.seq))
    )
    newest = {device: (release, previous) for device, release, previous in session.exec(query)}
    return {device: before for device, (now, before) in newest.items() if before is not None and before != now}


def _busy(session: Session, component: str) -> set[str]:
    query = select(Assignment.device_id).where(Assignment.component == component, col(Assignment.open).is_(True))
    return set(session.exec(query))


def _check_component(session: Session, component: str) -> None:
    """A name that was mistyped would make a schedule of drills that each fail."""
    has = session.exec(select(DeviceComponent.component).where(DeviceComponent.component == component).limit(1)).first()
    if has is None and component not in releases.components(session):
        known = ", ".join(releases.components(session)) or "none yet"
        raise NotFound(
            "not_found",
            f"There is no component {component!r}: no release and no device has it.",
            f"Components with a release: {known}.",
        )


def _due(session: Session, now: datetime) -> list[int]:
    query = select(DrillSchedule.id).where(col(DrillSchedule.stopped_at).is_(None), DrillSchedule.next_at <= now)
    return [found for found in session.exec(query) if found is not None]


def _insert(session: Session, component: str, cohort: str, limit_s: float, by: str, now: datetime) -> Drill:
    newest = session.exec(select(Drill.number).order_by(col(Drill.number).desc()).limit(1)).first() or 0
    row = Drill(
        id=f"d{newest + 1}",
        number=newest + 1,
        component=component,
        cohort=cohort,
        limit_s=limit_s,
        state=RUNNING,
        started_at=now,
        started_by=by,
    )
    session.add(row)
    session.flush()
    return row


def _end(session: Session, drill: Drill, passed: bool, reason: str, now: datetime) -> None:
    drill.state, drill.reason, drill.ended_at = (PASSED if passed else FAILED), reason, now
    session.add(drill)
    audit.record(session, ACTOR, f"drill.{drill.state}", f"drill:{drill.id}", {"reason": reason}, now)
