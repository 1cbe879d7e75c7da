"""Where orders from the local sockets are carried out: which components one is for, and what it does to them.

Promises: every order is answered, with the status of what it was for or with the reason why not; `apply` only once its
bundle is verified, by the worker that did it. Lives on the runner's thread and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from surefoot_agent.bench import Bench
from surefoot_agent.component import Component
from surefoot_agent.download import local
from surefoot_agent.lanes import Lane
from surefoot_agent.orders import Order, Verb
from surefoot_agent.ports import Decision
from surefoot_agent.results import Carried
from surefoot_shared import wire
from surefoot_shared.errors import Conflict, NotFound, SurefootError, UntrustedRelease
from surefoot_shared.trust.bundle import read_bundle


class Counter:
    """The result of `apply` comes back to `bench` under that name."""

    def __init__(self, components: Mapping[str, Component], bench: Bench) -> None:
        self._components, self._bench = components, bench

    def take(self, order: Order) -> None:
        """Carry out what a person or the application asks on the local socket."""
        facts: dict[str, wire.Json] = {}
        try:
            asked = self._asked(order)
            match order.verb:
                case Verb.COMMIT | Verb.REVERT:
                    self._end_trials(order.verb, asked)
                case Verb.LOCK | Verb.UNLOCK | Verb.DEFER | Verb.READY:
                    for component in asked:
                        facts = component.contract.take(order)
                case Verb.APPLY:
                    for component in asked:
                        component.attempt.use_medium(local.source_of(Path(order.release)))
                case Verb.STATUS | Verb.UPLINK:
                    pass
        except SurefootError as error:
            order.refuse(error)
        else:
            statuses = [wire.to_json(component.desk.status(component.record)) for component in asked]
            more: dict[str, wire.Json] = {"statuses": statuses} if len(statuses) > 1 else {}
            facts = {**facts, "status": statuses[0], **more}
            if order.verb is Verb.APPLY:
                self._bench.submit("apply", Lane.LOOK, lambda: _carried(order, facts))
            else:
                order.accept(facts)

    def _asked(self, order: Order) -> tuple[Component, ...]:
        """The components that an order is for. Raises NotFound."""
        if not order.component:
            return tuple(self._components.values())
        if order.component not in self._components:
            names = ", ".join(self._components)
            raise NotFound("not_found", f"This device has no component {order.component}.", f"It has {names}.")
        return (self._components[order.component],)

    def _end_trials(self, verb: Verb, asked: Sequence[Component]) -> None:
        """Commit or revert what is on trial; raises Conflict where nothing is, or nothing lets itself be ended."""
        refusals: list[Conflict] = []
        for component in asked:
            try:
                if verb is Verb.COMMIT:
                    component.attempt.commit_now()
                else:
                    component.attempt.revert_now("A person ordered it on the device.")
            except Conflict as refusal:
                refusals.append(refusal)
        if len(refusals) == len(asked):
            raise refusals[0]


def _carried(order: Order, facts: dict[str, wire.Json]) -> Carried:
    """Read the file; what cannot be read is told here, the rest by `Carried.answer`."""

    def answer(said: Decision | SurefootError) -> None:
        if isinstance(said, SurefootError):
            order.refuse(said)
        elif said.refusals:
            refused = said.refusals[0]
            order.refuse(UntrustedRelease(refused.reason, f"{refused.component}: {refused.message}"))
        else:
            order.accept({**facts, "wanted": [f"{wish.component}/{wish.note.version}" for wish in said.wishes]})

    try:
        return Carried(read_bundle(Path(order.file)), answer)
    except SurefootError as error:
        order.refuse(error)
        raise
