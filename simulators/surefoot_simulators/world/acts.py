"""What people do in a scenario, at its time or once its state has come: rollouts that are started, and acts upon them.

Promises: an act that the server refused, or whose state never came, is said and makes the scenario fail, unless it is
just that refusal which the scenario expects; one that is expected to be refused and is done fails it too. Refuses to
act on a server that is down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from surefoot_server.access.roles import Principal
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_server.rollouts.service import RolloutService
from surefoot_shared.errors import SurefootError
from surefoot_simulators.world.recording import Met, Teller
from surefoot_simulators.world.scenario import Act, Do, RolloutPlan

if TYPE_CHECKING:
    from surefoot_simulators.world.world import World

WAIT_S = 10.0
"""How often an act looks whether its state has come."""
DONE = ""
"""What became of an act that nobody refused."""
Deed = Act | RolloutPlan


class Acts:
    """Everything that people do in one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ends: dict[int, tuple[str, str]] = {}
        """Deed, by its place → kind of the refusal or DONE, and its sentence."""
        scenario = world.scenario
        self._deeds: tuple[Deed, ...] = (*scenario.rollouts, *scenario.acts)
        self.waiting: set[int] = set()
        """Those whose time has come and whose state has not."""

    def plan(self) -> None:
        """Put all of them into the queue."""
        for place, deed in enumerate(self._deeds):
            begin = self._start if isinstance(deed, RolloutPlan) else self._await
            self._world.queue.at(deed.at_s, lambda place=place, deed=deed, begin=begin: begin(place, deed))  # type: ignore[misc]

    def judged(self) -> tuple[Met, ...]:
        """What was not as the scenario has it, and each refusal that it expects."""
        found = [self._met(deed, self._ends.get(place)) for place, deed in enumerate(self._deeds)]
        return tuple(met for met in found if met is not None)

    def _start(self, place: int, plan: RolloutPlan) -> None:
        order = Order(
            plan.policy,
            self._id(plan.release),
            plan.cohort,
            salt=f"salt-{self._world.seed}",
            lift_halt=plan.lift_halt,
            accept_blind=plan.accept_blind,
            also=tuple(map(self._id, plan.also)),
        )
        self._do(place, plan, lambda rollouts, now: rollouts.start(order, plan.by, now))

    def _id(self, version: str) -> str:
        return f"{self._world.releases[version].component}/{version}"

    def _await(self, place: int, act: Act) -> None:
        """Act, once the rollout is in the state that is awaited."""
        self.waiting.add(place)
        if act.when and self._world.notes.state_of(_name(act)) != act.when:
            self._world.queue.later(WAIT_S, lambda: self._await(place, act))
        else:
            self._world.queue.later(act.after_s, lambda: self._do(place, act, lambda r, now: ACTS[act.do](r, act, now)))

    def _do(self, place: int, deed: Deed, what: Callable[[RolloutService, datetime], object]) -> None:
        self.waiting.discard(place)
        try:
            self._world.site.act(what)
        except SurefootError as error:
            self._ends[place] = (error.kind, error.message)
            self._world.tell(Teller.OPERATOR, f"{words(deed)} was refused: {error.message}")
        else:
            self._ends[place] = (DONE, "")

    def _met(self, deed: Deed, end: tuple[str, str] | None) -> Met | None:
        wanted = f" is refused as {deed.refused}" if deed.refused else " is done"
        text = f"{words(deed)}{wanted}"
        if end is None:
            awaited = f": rollout {deed.rollout} was never {deed.when}" if isinstance(deed, Act) and deed.when else ""
            return Met(text, False, f"its time never came{awaited}", deed.line)
        kind, sentence = end
        if kind == deed.refused:
            return Met(text, True, sentence, deed.line) if deed.refused else None
        return Met(text, False, f"refused as {kind}: {sentence}" if kind else "it was done", deed.line)


def words(deed: Deed) -> str:
    """Who does what."""
    if isinstance(deed, RolloutPlan):
        return f"start of {deed.release} by {deed.by}"
    return f"{deed.do.value} of rollout {deed.rollout} by {deed.by}"


def _name(act: Act) -> str:
    return f"r{act.rollout}"


def _who(act: Act) -> Principal:
    return Principal(act.by, act.role, act.by)


def _halt(rollouts: RolloutService, act: Act, now: datetime) -> None:
    committed = CommittedDevices.KEEP if act.keep else CommittedDevices.REVERT
    rollouts.halt(_name(act), committed, act.by, now, act.reason)


ACTS: Mapping[Do, Callable[[RolloutService, Act, datetime], None]] = {
    Do.PAUSE: lambda r, a, now: r.pause(_name(a), a.by, now, a.reason),
    Do.RESUME: lambda r, a, now: r.resume(_name(a), a.by, now, a.reason),
    Do.HALT: _halt,
    Do.REVERT: lambda r, a, now: r.revert(_name(a), a.by, now, a.reason),
    Do.CANCEL: lambda r, a, now: r.cancel(_name(a), a.by, now, a.reason),
    Do.APPROVE: lambda r, a, now: r.approve(_name(a), _who(a), now, a.reason),
    Do.REJECT: lambda r, a, now: r.reject(_name(a), _who(a), now, a.reason),
    Do.RETRY: lambda r, a, now: r.retry(_name(a), a.by, now, a.reason),
}
