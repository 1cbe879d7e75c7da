"""What is written down while a world runs: changes of devices, of rollouts and their phases, ends of attempts, a story.

Promises: a line only where something changed; devices are read from the device, everything else from the server's
database. Refuses to judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from surefoot_server.devices import repository, views
from surefoot_server.devices.models import Assignment, DeviceEvent
from surefoot_server.rollouts.models import Rollout, RolloutDecision, RolloutMember, RolloutPhase
from surefoot_shared.status import ROLLOUT_ENDED, AttemptState, Outcome, PhaseState, RolloutState, SlotName
from surefoot_simulators.device.node import Node
from surefoot_simulators.world.recording import (
    Answer,
    Ending,
    PhasePoint,
    PhaseTally,
    Point,
    RolloutPoint,
    Teller,
    Told,
)

if TYPE_CHECKING:
    from surefoot_simulators.world.world import World

RESTS = frozenset({*(state.value for state in ROLLOUT_ENDED), RolloutState.HELD.value, RolloutState.HALTED.value})
Seen = tuple[AttemptState, str | None, SlotName | None, bool, tuple[str, ...]]
QUIET_KINDS = frozenset({"offer", "take_look", "activate", "renew"})
"""Decisions about one device that the device's own points show."""

DECISIONS = (
    select(RolloutDecision).where(col(RolloutDecision.id) > bindparam("after")).order_by(col(RolloutDecision.id))
)
ROLLOUTS = select(Rollout.id, Rollout.release_id, Rollout.state).order_by(col(Rollout.number))
PHASES = select(RolloutPhase.rollout_id, RolloutPhase.index, RolloutPhase.name, RolloutPhase.state).order_by(
    RolloutPhase.rollout_id, col(RolloutPhase.index)
)
ENDED = select(Assignment.id, Assignment.outcome).where(col(Assignment.outcome).is_not(None))
"""Built once: they are asked after every batch, and to build one took longer than to ask it."""


class Notes:
    """Lists in the order of time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.points: list[Point] = []
        self.rollouts: list[RolloutPoint] = []
        self.phases: list[PhasePoint] = []
        self.endings: list[Ending] = []
        self.story: list[Told] = []
        self._seen: dict[str, Seen] = {}
        self._states: dict[str, str] = {}
        self._phase_states: dict[tuple[str, int], str] = {}
        self._ended: dict[str, str] = {}
        self._decision = 0

    # --- devices ------------------------------------------------------------------------------------------------------

    def seen(self, node: Node) -> None:
        name = node.birth.name
        online = name in self._world.broker.sessions
        now: Seen = (node.state, node.version(), node.slot(), online, node.versions())
        if self._seen.get(name) != now:
            self._seen[name] = now
            self.points.append(Point(self._t(), name, *now))

    def tell(self, by: Teller, text: str, device: str | None = None) -> None:
        self.story.append(Told(self._t(), by, text, device))

    # --- the server ---------------------------------------------------------------------------------------------------

    def looked(self) -> None:
        with self._world.site.db.read() as session:
            self._decisions(session)
            self._rollouts(session)
            self._endings(session)

    def tallies(self) -> tuple[PhaseTally, ...]:
        """How each phase stands, counted from its members' attempts."""
        with self._world.site.db.read() as session:
            rows = session.exec(select(RolloutPhase).order_by(RolloutPhase.rollout_id, col(RolloutPhase.index))).all()
            return tuple(self._tally(session, row) for row in rows)

    def stored_events(self) -> dict[str, set[int]]:
        """Numbers of the events that the server holds, by device."""
        found: dict[str, set[int]] = {}
        with self._world.site.db.read() as session:
            for device, seq in session.exec(select(DeviceEvent.device_id, DeviceEvent.seq)):
                found.setdefault(device, set()).add(seq)
        return found

    def answers(self) -> list[Answer]:
        """The server's one answer to "why is it not updating?", of each device and component."""
        with self._world.site.db.read() as session:
            found = []
            for view in repository.views(session, [repository.device(session, name) for name in self._world.nodes]):
                name, now = view.device.id, self._world.site.now()
                for component in self._world.scenario.components:
                    waiting = self._world.site.rollouts.why(session, name, component, now)
                    answer = views.why_of(session, view, component, now, waiting)
                    found.append(Answer(name, component, answer.kind, answer.sentence))
            return found

    def _tally(self, session: Session, row: RolloutPhase) -> PhaseTally:
        query = (
            select(Assignment.outcome)
            .join(RolloutMember, col(RolloutMember.assignment_id) == col(Assignment.id))
            .where(RolloutMember.rollout_id == row.rollout_id, RolloutMember.phase == row.index)
        )
        outcomes: dict[str, int] = {}
        for outcome in session.exec(query):
            outcomes[outcome or "open"] = outcomes.get(outcome or "open", 0) + 1
        return PhaseTally(
            row.rollout_id, row.index, row.name, PhaseState(row.state), row.members, dict(sorted(outcomes.items()))
        )

    def _decisions(self, session: Session) -> None:
        for row in session.exec(DECISIONS, params={"after": self._decision}):
            self._decision = row.id or 0
            if row.kind not in QUIET_KINDS:
                by = Teller.SERVER if row.actor == "engine" else Teller.OPERATOR
                self.tell(by, f"{row.kind.replace('_', ' ')}: {row.reason}", row.device_id)

    def _rollouts(self, session: Session) -> None:
        for name, release, state in session.connection().execute(ROLLOUTS):
            if self._states.get(name) != state:
                self._states[name] = state
                self.rollouts.append(RolloutPoint(self._t(), name, release, RolloutState(state)))
        for name, index, phase, state in session.connection().execute(PHASES):
            if self._phase_states.get((name, index)) != state:
                self._phase_states[name, index] = state
                self.phases.append(PhasePoint(self._t(), name, index, phase, PhaseState(state)))

    def _endings(self, session: Session) -> None:
        """Of all that ended only what is new is read whole: this is asked after every batch."""
        ended = session.connection().execute(ENDED)
        new = [name for name, outcome in ended if self._ended.get(name) != outcome]
        if not new:
            return
        for row in session.exec(select(Assignment).where(col(Assignment.id).in_(new)).order_by(col(Assignment.seq))):
            outcome = self._ended[row.id] = str(row.outcome)
            self.endings.append(
                Ending(
                    self._t(),
                    row.device_id,
                    row.rollout_id,
                    row.release_id,
                    Outcome(outcome),
                    row.reason,
                    row.phase,
                )
            )

    def state_of(self, rollout: str) -> str | None:
        return self._states.get(rollout)

    def ended(self) -> bool:
        """Whether nothing is to be decided any more, unless by a person."""
        return bool(self._states) and all(state in RESTS for state in self._states.values())

    def _t(self) -> float:
        return round(self._world.queue.now, 3)
