"""Where orders from the local sockets are carried out: which components one is for, and what it does to them.

Promises: every order is answered, with the status of what it was for or with the reason why not. Lives on the runner's
thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from surefoot_agent.bench import Bench
from surefoot_agent.component import Component
from surefoot_agent.download import local
from surefoot_agent.lanes import Lane
from surefoot_agent.orders import Order, Verb
from surefoot_shared import wire
from surefoot_shared.errors import Conflict, NotFound, SurefootError
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
                    self._bench.submit("apply", Lane.LOOK, lambda: read_bundle(Path(order.file)))
                case Verb.STATUS | Verb.UPLINK:
                    pass
        except SurefootError as error:
            order.refuse(error)
        else:
            statuses = [wire.to_json(component.desk.status(component.record)) for component in asked]
            more: dict[str, wire.Json] = {"statuses": statuses} if len(statuses) > 1 else {}
            order.accept({**facts, "status": statuses[0], **more})

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
