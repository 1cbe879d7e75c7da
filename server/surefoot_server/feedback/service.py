"""Flags and advisories: take what people and systems say, and let it stop rollouts as their policies state.

Promises: what was said is stored with its audit row before anything follows from it, and is looked at again at every
sweep, so a crash in between loses nothing; a rollout is stopped once by one signal, and a person's `resume` outweighs
every signal before it. Refuses to stop what no policy allows to be stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.devices import repository as devices
from surefoot_server.feedback import repository
from surefoot_server.feedback.models import Advisory, Flag
from surefoot_server.releases import repository as releases
from surefoot_server.rollouts import outages
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts import repository as rollouts
from surefoot_server.rollouts.models import Rollout
from surefoot_server.rollouts.triggers import Do, Signal, Signals, Trip, pull
from surefoot_shared.errors import Conflict, NotFound
from surefoot_shared.status import RolloutState

log = logging.getLogger(__name__)


class Stops(Protocol):
    """The part of the rollout service that stops a rollout by a trigger."""

    def trip(self, rollout_id: str, do: Do, reason: str, now: datetime, actor: str = "trigger") -> bool: ...


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an advisory meets: who runs the release, and what became of its rollouts."""

    advisory: Advisory
    devices: Sequence[str]
    stopped: Sequence[str]


class FeedbackService:
    def __init__(self, db: Database, stops: Stops) -> None:
        self._db, self._stops = db, stops

    # --- flags ------------------------------------------------------------------------------------------------------

    def flag_device(self, device_id: str, reason: str, by: str, source: str, now: datetime) -> list[Flag]:
        """Flag every known release that the device runs; raises NotFound, or Conflict where none is known."""
        with self._db.write() as session:
            devices.device(session, device_id)
            found = repository.runs(session, device_id)
            if not found:
                raise Conflict(
                    "conflict", f"No release is known to run on {device_id}, so none can be flagged.", "Ask the device."
                )
            rows = [self.note(session, device_id, release, reason, by, source, now) for release in found]
        self.sweep(now)
        return rows

    def flag_release(self, release_id: str, reason: str, by: str, source: str, now: datetime) -> Flag:
        with self._db.write() as session:
            releases.get(session, release_id)
            row = self.note(session, None, release_id, reason, by, source, now)
        self.sweep(now)
        return row

    def withdraw_flag(self, flag_id: int, by: str, now: datetime) -> Flag:
        with self._db.write() as session:
            row = session.get(Flag, flag_id)
            if row is None:
                raise NotFound("not_found", f"There is no flag {flag_id}.", "`surefoot flag list` shows all.")
            if row.withdrawn_at is None:
                row.withdrawn_at, row.withdrawn_by = now, by
                session.add(row)
                audit.record(session, by, "flag.withdraw", f"flag:{flag_id}", {"reason": row.reason}, now)
            return row

    def note(
        self, session: Session, device_id: str | None, release_id: str, reason: str, by: str, source: str, now: datetime
    ) -> Flag:
        """Raise one flag in the caller's transaction; `sweep` looks at what follows."""
        row = Flag(at=now, by=by, source=source, device_id=device_id, release_id=release_id, reason=reason)
        session.add(row)
        session.flush()
        about = f"device:{device_id}" if device_id else f"release:{release_id}"
        audit.record(session, by, "flag.raise", about, {"release": release_id, "reason": reason, "flag": row.id}, now)
        return row

    # --- advisories ---------------------------------------------------------------------------------------------------

    def advise(self, release_id: str, do: Do, reason: str, reference: str, by: str, now: datetime) -> Exposure:
        """Store an advisory against a release, stop its rollouts, and name who runs it."""
        with self._db.write() as session:
            releases.get(session, release_id)
            row = Advisory(at=now, by=by, release_id=release_id, reference=reference, reason=reason, do=do.value)
            session.add(row)
            session.flush()
            detail = {"reason": reason, "reference": reference, "do": do.value, "advisory": row.id}
            audit.record(session, by, "release.advisory", f"release:{release_id}", detail, now)
        stopped = self.sweep(now)
        if do is not Do.HOLD:
            stopped += self._stop_sleepers(release_id, f"advisory by {by}: {reason}", now)
        with self._db.read() as session:
            return Exposure(row, repository.running(session, release_id), stopped)

    def _stop_sleepers(self, release_id: str, reason: str, now: datetime) -> list[str]:
        """Rollouts that ended well still hand the release to devices that wake: no more."""
        with self._db.read() as session:
            ended = [row.id for row in repository.succeeded_rollouts(session, release_id)]
        return [rollout for rollout in ended if self._stops.trip(rollout, Do.HALT, reason, now)]

    def withdraw_advisory(self, advisory_id: int, by: str, now: datetime) -> Advisory:
        """Take it back; rollouts that it stopped stay stopped until a person resumes them."""
        with self._db.write() as session:
            row = session.get(Advisory, advisory_id)
            if row is None:
                raise NotFound("not_found", f"There is no advisory {advisory_id}.")
            if row.withdrawn_at is None:
                row.withdrawn_at, row.withdrawn_by = now, by
                session.add(row)
                detail = {"advisory": advisory_id}
                audit.record(session, by, "advisory.withdraw", f"release:{row.release_id}", detail, now)
            return row

    # --- what follows ---------------------------------------------------------------------------------------------

    def sweep(self, now: datetime) -> list[str]:
        """Look at every open rollout's signals, and stop those whose policy says so; returns their ids."""
        with self._db.read() as session:
            trips = [(row.id, trip) for row in repository.open_rollouts(session) if (trip := _trip(session, row, now))]
        stopped = [rollout for rollout, trip in trips if self._stops.trip(rollout, trip.do, trip.reason, now)]
        for rollout in stopped:
            log.warning("rollout_stopped_by_trigger rollout=%s", rollout)
        return stopped


def signals(session: Session, row: Rollout, now: datetime) -> Signals:
    """What stands against a rollout, as the triggers read it."""
    since = repository.resumed_at(session, row.id)
    phases = rollouts.phases(session, row.id)
    current = phases[row.phase] if row.phase < len(phases) else None
    began = current.waiting_since if current is not None else None
    waited_s = outages.read(session, now).elapsed_s(max(filter(None, (began, since))), now) if began else 0.0
    return Signals(
        flags=tuple(Signal(f.at, f.by, f.reason, f.device_id) for f in repository.flags_of(session, row)),
        advisories=tuple(
            Signal(a.at, a.by, f"{a.reference} {a.reason}".strip(), do=Do(a.do))
            for release in row.releases
            for a in repository.advisories(session, release)
        ),
        since=since,
        phase_name=current.name if current is not None else "",
        phase_began_at=began,
        waited_s=waited_s,
    )


def _trip(session: Session, row: Rollout, now: datetime) -> Trip | None:
    """What a rollout's policy makes of its signals; a hold adds nothing to one that already waits for a person."""
    trip = pull(policies.parse(row.policy).triggers, signals(session, row, now))
    waits = row.state in (RolloutState.HELD.value, RolloutState.PAUSED.value)
    return None if trip is None or (trip.do is Do.HOLD and waits) else trip
