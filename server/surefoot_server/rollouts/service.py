"""Rollouts as the server runs them: plan, start, the operator's acts, and the tick that asks the engine.

Promises: whatever the engine decides is applied in one write transaction that first wins the compare-and-set on (phase,
version), so two engines never advance a rollout twice; the halt list follows the database within the same call, before
the orders that it stops are taken back, and after a crash at the next tick. Refuses acts that the state table does not
know, with what is possible instead.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from surefoot_server.access.roles import Principal
from surefoot_server.audit import service as audit
from surefoot_server.cohorts import service as cohorts
from surefoot_server.db import Database
from surefoot_server.devices import repository as devices
from surefoot_server.policies import service as saved
from surefoot_server.rollouts import (
    acts,
    companions,
    counting,
    creation,
    engine,
    going_back,
    halting,
    looking,
    outages,
    planner,
    repository,
    stages,
    why,
)
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts.apply import apply, change_rollout, note
from surefoot_server.rollouts.candidates import candidates
from surefoot_server.rollouts.creation import Order, Planned
from surefoot_server.rollouts.facts import Facts
from surefoot_server.rollouts.going_back import Forecast
from surefoot_server.rollouts.halting import HaltList, SignedHalts
from surefoot_server.rollouts.models import Rollout
from surefoot_server.rollouts.policy import CommittedDevices, Policy
from surefoot_server.rollouts.readings import Readings
from surefoot_server.rollouts.searches import Searches
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_server.rollouts.transaction import Orders, Transaction
from surefoot_server.rollouts.triggers import Do
from surefoot_shared.errors import Conflict
from surefoot_shared.status import RolloutState

log = logging.getLogger(__name__)
ROUNDS = 100
"""More than the phases of any policy in one go; beyond it the engine would contradict itself, which is a bug."""
STOPS = frozenset({RolloutEvent.PAUSE, RolloutEvent.HOLD, RolloutEvent.HALT, RolloutEvent.REVERT, RolloutEvent.CANCEL})
STOP_TRIES = 5
"""Of an act that stops, against an engine on PostgreSQL that changes the rollout with each look."""


class Outrun(Conflict):
    """The compare-and-set was lost: nothing was changed."""


class RolloutService:
    def __init__(self, db: Database, orders: Orders, halts: HaltList, publish_halt: Callable[[bytes], None]) -> None:
        self._db = db
        self._orders = orders
        self._halts = halts
        self._signed = SignedHalts(db, halts, publish_halt)
        self._looked_at: datetime | None = None
        self._searched = Searches()
        self._readings = Readings()

    # --- before ---------------------------------------------------------------------------------------------------

    def plan(self, session: Session, order: Order) -> Planned:
        """Say who would be in which phase and who is left out and why; changes nothing."""
        order = replace(order, policy=saved.resolve(session, order.policy))
        policy = policies.parse(order.policy)
        release_id, cohort = policies.complete(policy, order.release, order.cohort)
        order = replace(order, also=policies.companions(policy, order.release, order.also))
        release = devices.release(session, release_id)
        resolved = cohorts.resolve(session, cohort)
        selected = [
            None if phase.select is None else set(cohorts.devices(session, phase.select)) for phase in policy.phases
        ]
        ids = cohorts.devices(session, resolved.expression)
        with_it = [devices.release(session, each) for each in order.also]
        also = tuple(companions.of(each, creation.offering(session, policy, each)) for each in with_it)
        companions.check(policy, release, also)
        everyone = candidates(session, ids, release.component, selected)
        everyone = companions.with_unfit(session, everyone, release, also)
        salt = order.salt or secrets.token_hex(8)
        offering = creation.offering(session, policy, release)
        plan = planner.plan(policy, offering, everyone, salt)
        return Planned(order, policy, release, resolved.label, resolved.expression, salt, plan, also)

    def meant(self, session: Session, order: Order) -> tuple[list[str], str]:
        """The releases and the cohort that an order names, itself or by its policy; the leading release first."""
        policy = policies.parse(saved.resolve(session, order.policy))
        release, cohort = policies.complete(policy, order.release, order.cohort)
        return [release, *policies.companions(policy, order.release, order.also)], cohort

    def start(self, order: Order, actor: str, now: datetime) -> str:
        """Make the rollout and let the engine begin at once; returns its id. Raises Conflict where nobody is in it."""
        with self._db.write() as session:
            planned = self.plan(session, order)
            self._lift_or_refuse(session, planned, actor, now)
            creation.check_accepted(planned)
            creation.check_startable(planned)
            row = creation.insert(session, planned, actor, now)
            tx = Transaction(session, self._orders, row, planned.policy, now)
            self._begin(tx)
            detail: dict[str, object] = {"release": row.release_id, "cohort": row.cohort, "expression": row.expression}
            detail |= {"also": row.releases[1:]} if row.companions else {}
            detail |= {"policy": row.policy, "salt": row.salt}
            note(
                tx, actor, "start", f"{planned.plan.total} devices in {len(planned.plan.phases)} phases", detail=detail
            )
            self._rounds(session, row.id, now)
        self.sync_halts(now)
        return row.id

    def _begin(self, tx: Transaction) -> None:
        """At once, or when people have approved it, or when its time has come."""
        policy = tx.policy
        if policy.approval is not None:
            change_rollout(tx, RolloutEvent.ASK, f"it waits for {policy.approval.words}")
        elif policy.start_at is not None and policy.start_at > tx.now:
            change_rollout(tx, RolloutEvent.SCHEDULE, f"it starts at {policy.start_at.isoformat()}")
        else:
            change_rollout(tx, RolloutEvent.START, "it began at once")

    def _lift_or_refuse(self, session: Session, planned: Planned, actor: str, now: datetime) -> None:
        found = {row.id: row for digest in planned.digests for row in halting.halting(session, digest)}
        if not found and not set(planned.digests) & set(self._halts.halted()):
            return
        if not planned.order.lift_halt:
            raise Conflict(
                "halted",
                f"{planned.release.id} is on the halt list, put there by {_names([*found.values()])}.",
                "Fix it in a new release, or start with --lift-halt if it was not to blame.",
            )
        for row in found.values():
            row.halts_digest = False
            row.version += 1
            session.add(row)
        detail = {"digest": planned.release.digest}
        audit.record(session, actor, "halt.lift", f"release:{planned.release.id}", detail, now)

    # --- acts -----------------------------------------------------------------------------------------------------

    def pause(self, rollout_id: str, actor: str, now: datetime, reason: str = "") -> None:
        """Offer nothing new; what is under way goes on, and a failed verdict still counts."""
        self._act(rollout_id, RolloutEvent.PAUSE, actor, now, reason)

    def resume(self, rollout_id: str, actor: str, now: datetime, reason: str = "") -> None:
        """Go on, acknowledging the failures seen; lifts a halt and offers again what the halt withdrew."""
        self._act(rollout_id, RolloutEvent.RESUME, actor, now, reason)

    def halt(self, rollout_id: str, committed: CommittedDevices, actor: str, now: datetime, reason: str = "") -> None:
        """Stop every device that has not switched, fleet-wide; those that have it keep it or go back."""
        revert = committed is CommittedDevices.REVERT
        event = RolloutEvent.REVERT if revert else RolloutEvent.HALT
        self._act(rollout_id, event, actor, now, reason, halt=True)

    def revert(self, rollout_id: str, actor: str, now: datetime, reason: str = "") -> None:
        """Stop, and take the release back from every device that this rollout gave it to."""
        self._act(rollout_id, RolloutEvent.REVERT, actor, now, reason)

    def revert_forecast(self, session: Session, rollout_id: str) -> Forecast:
        """What `revert` would do; changes nothing."""
        return going_back.forecast(session, repository.rollout(session, rollout_id), self._halts.halted())

    def cancel(self, rollout_id: str, actor: str, now: datetime, reason: str = "") -> None:
        """Stop for good; devices that have it keep it, the release stays allowed elsewhere."""
        self._act(rollout_id, RolloutEvent.CANCEL, actor, now, reason)

    def approve(self, rollout_id: str, who: Principal, now: datetime, reason: str = "") -> None:
        """Say yes to what waits for approval: the rollout or its next phase. It goes on with the last yes needed."""
        self._do(rollout_id, now, lambda tx: acts.approve(tx, who, reason))

    def reject(self, rollout_id: str, who: Principal, now: datetime, reason: str = "") -> None:
        """Say no: the rollout is cancelled; devices that have the release keep it."""
        self._do(rollout_id, now, lambda tx: acts.reject(tx, who, reason))

    def retry(
        self, rollout_id: str, actor: str, now: datetime, reason: str = "", devices: Collection[str] = ()
    ) -> None:
        """Let devices whose attempt failed have their turn again, all or these. Raises Conflict where none did."""
        self._do(rollout_id, now, lambda tx: acts.retry(tx, actor, reason, devices))

    def _do(self, rollout_id: str, now: datetime, act: Callable[[Transaction], None]) -> None:
        with self._db.write() as session:
            row = repository.rollout(session, rollout_id)
            act(Transaction(session, self._orders, row, policies.parse(row.policy), now))
            self._claim(session, row)
            self._rounds(session, rollout_id, now)
        self.sync_halts(now)

    def trip(self, rollout_id: str, do: Do, reason: str, now: datetime, actor: str = "trigger") -> bool:
        """Stop by a trigger as its policy states; False where the rollout is past what the act could change."""
        event = {Do.HOLD: RolloutEvent.HOLD, Do.HALT: RolloutEvent.HALT, Do.REVERT: RolloutEvent.REVERT}[do]
        try:
            self._act(rollout_id, event, actor, now, reason, halt=do is not Do.HOLD)
        except Conflict:
            return False
        return True

    def _act(
        self, rollout_id: str, event: RolloutEvent, actor: str, now: datetime, reason: str, *, halt: bool = False
    ) -> None:
        for tries_left in reversed(range(STOP_TRIES if halt or event in STOPS else 1)):
            try:
                self._change(rollout_id, event, actor, now, reason, halt)
                break
            except Outrun:  # an engine elsewhere was faster; what it did does not make a stop less wanted
                if not tries_left:
                    raise
        self.sync_halts(now, anew=halt)
        if halt:  # the list stops devices; orders are taken back one by one, which takes seconds in a large fleet
            self._settle(rollout_id, now)

    def _change(self, rollout_id: str, event: RolloutEvent, actor: str, now: datetime, reason: str, halt: bool) -> None:
        with self._db.write(urgent=halt) as session:
            row = repository.rollout(session, rollout_id)
            tx = Transaction(session, self._orders, row, policies.parse(row.policy), now)
            was = RolloutState(row.state)
            kind = "halt" if halt else event.value
            told = f"{kind} by {actor}" + (f": {reason}" if reason else "")
            change_rollout(tx, event, told)
            self._claim(session, row)
            row.halts_digest = row.halts_digest or halt
            if event in (RolloutEvent.HALT, RolloutEvent.REVERT):
                row.committed_devices = "revert" if event is RolloutEvent.REVERT else "keep"
            note(tx, actor, kind, told, row.phase, detail={"was": was.value, "committed": row.committed_devices})
            if event is RolloutEvent.RESUME and was is RolloutState.REVERTING:
                stages.go_on(tx)
            elif event is RolloutEvent.RESUME:
                acts.pick_up(tx, was)
            if not halt:
                self._rounds(session, rollout_id, now)

    # --- the engine -----------------------------------------------------------------------------------------------

    def tick(self, now: datetime, reachable: bool = True) -> int:
        """Look at every rollout that has something to decide; returns how many changed.

        While the fleet cannot be reached (the broker is away) nothing is decided, and that time does not count later.
        """
        if not reachable:
            return 0
        try:
            self.sync_halts(now)  # what another server, or a crash, left to say goes before what takes time
        finally:  # a list that cannot be written is no reason to leave orders with devices
            self._mark_look(now)
            with self._db.read() as session:
                ids = repository.to_look_at(session, self._searched.sleepers(now))
            changed = sum(self._look(rollout_id, now) for rollout_id in ids)
        return changed

    def _mark_look(self, now: datetime) -> None:
        seen = self._looked_at
        if seen is not None and 0 <= (now - seen).total_seconds() < outages.MARK_EVERY_S:
            return
        with self._db.write() as session:
            gap_s = outages.mark_look(session, now)
            if gap_s:
                audit.record(session, "engine", "server.outage", "server", {"seconds": round(gap_s)}, now)
        if gap_s:
            log.warning("timers_stood_still seconds=%d", gap_s)
        self._looked_at = now

    def _look(self, rollout_id: str, now: datetime) -> bool:
        """Ask the engine on a cheap read first: most looks decide nothing and need no write lock."""
        with self._db.read() as session:
            row = repository.rollout(session, rollout_id)
            policy = policies.parse(row.policy)
            since = self._searched.since(rollout_id, row.phase, now)
            facts = self._facts(session, row, policy, now, since)
            if not engine.decide(policy, facts, now) and not counting.uncounted(session, rollout_id):
                self._searched.note(
                    rollout_id, row.phase, now, any(m.waiting and not m.backs_off(now) for m in facts.members)
                )
                return False
        return self._settle(rollout_id, now)

    def _settle(self, rollout_id: str, now: datetime) -> bool:
        """Decide in a transaction of its own; a halt that it decides on goes out before anything follows from it."""
        try:
            with self._db.write() as session:
                changed, halts = self._rounds(session, rollout_id, now), self._halts_anew(session, rollout_id)
        except Outrun:
            return False  # another engine, or a person, was first; the next look sees what they did
        if halts:
            self.sync_halts(now)
            self._settle(rollout_id, now)
        return changed

    def _halts_anew(self, session: Session, rollout_id: str) -> bool:
        """Whether the rollout halts a release that is not on the signed list yet."""
        row = repository.rollout(session, rollout_id)
        return row.halts_digest and not row.digests <= self._signed.digests()

    def _rounds(self, session: Session, rollout_id: str, now: datetime) -> bool:
        """Count what ended, then decide and apply until nothing is left to decide, in the caller's transaction.

        Ends early where it came to halt a release: the rest is for the next look, after the fleet was told.
        """
        self._searched.forget(rollout_id)
        changed = False
        for _ in range(ROUNDS):
            row = repository.rollout(session, rollout_id)
            policy = policies.parse(row.policy)
            counted = counting.settle(session, row, policy)
            decisions = engine.decide(policy, self._facts(session, row, policy, now), now)
            if RolloutState(row.state) in engine.STOPPED and row.halts_digest:
                decisions = decisions[
                    : looking.AT_ONCE
                ]  # the list stops devices; without one only this does, all at once
            if counted or decisions:
                self._claim(session, row)
            if not decisions:
                return changed
            apply(Transaction(session, self._orders, row, policy, now), decisions)
            changed = True
            if self._halts_anew(session, rollout_id):
                return True
            if len(decisions) >= looking.AT_ONCE:
                return True  # no transaction grows with the fleet; the next look goes on
        raise RuntimeError(f"rollout {rollout_id}: the engine does not come to rest")

    def _facts(
        self, session: Session, row: Rollout, policy: Policy, now: datetime, awake_since: datetime | None = None
    ) -> Facts:
        facts = looking.facts(session, row, policy, now, awake_since)
        facts = replace(facts, unsigned=self.unsignable_of(row, now))
        return self._readings.attach(session, row, policy, facts, now)

    def _claim(self, session: Session, row: Rollout) -> None:
        phase, version = row.phase, row.version
        if not repository.claim(session, row.id, phase, version):
            raise Outrun("conflict", f"Rollout {row.id} was changed by someone else just now.", "Look again.")
        row.version = version + 1
        session.add(row)

    def sync_halts(self, now: datetime, *, anew: bool = False, again: bool = False) -> None:
        """Bring the signed halt list in line with the database, and tell the fleet; see `SignedHalts.sync`."""
        self._signed.sync(now, anew=anew, again=again)

    def why(self, session: Session, device_id: str, component: str, now: datetime) -> str | None:
        """Why a rollout has not offered this component to the device, or keeps it from switching; None where none."""
        return why.waiting(session, device_id, component, now, lambda row: self.unsignable_of(row, now))

    def unsignable_of(self, row: Rollout, now: datetime) -> str:
        """The same of all components of a rollout: of a set that cannot be signed whole nothing is ordered."""
        return next((why for component in row.components if (why := self.unsignable(component, now))), "")

    def unsignable(self, component: str, now: datetime) -> str:
        """Why no device would be told of an order for the component, or believe it; "" where one would."""
        return self._halts.unsignable(component, now)


def _names(rows: Sequence[Rollout]) -> str:
    return " and ".join(f"rollout {row.id}" for row in rows) or "another authority"
