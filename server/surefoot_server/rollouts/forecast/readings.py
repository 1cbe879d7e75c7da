"""What devices measure in a modelled bake: readings for the judge, canary and control, with the effect of the release.

Promises: as many controls as the server reads at most; each device keeps its own level and scatters around it, so the
judge has as hard a task as in the field. Large canaries are judged by a sample, as the statistics change no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot_server.rollouts.forecast.assumed import Effect, Model
from surefoot_server.rollouts.forecast.people import People
from surefoot_server.rollouts.gate import Against, MetricObjective
from surefoot_server.rollouts.judge import Look, Reading
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.readings import CONTROLS_LIMIT

CANARIES_LIMIT = 1000
LEVELS = 0.2
"""Spread of the devices' own levels: cameras of a fleet see different scenes."""
PLAIN = Effect()


class Readings:
    """Draws a look at the metrics under one model of the release."""

    def __init__(
        self, policy: Policy, people: People, model: Model, healthy: Model, generator: np.random.Generator
    ) -> None:
        self._gate, self._people, self._model, self._healthy = policy.gate, people, model, healthy
        self._random = generator

    def look(self, number: int, committed: Sequence[int], later: int) -> Look:
        """Readings of the members that committed, and of controls among the members from `later` on."""
        canary = self._some(np.asarray(committed, dtype=np.int64), CANARIES_LIMIT)
        control = self._some(np.arange(later, self._people.total, dtype=np.int64), CONTROLS_LIMIT)
        readings = {
            o.key: [
                *self._measured(o, canary, canary_ones=True),
                *(self._measured(o, control, canary_ones=False) if o.against is Against.CONTROL else []),
            ]
            for o in self._gate.metrics
        }
        return Look(number, self._gate.looks, readings, drawn=False)

    def _some(self, among: np.ndarray[tuple[int], np.dtype[np.int64]], limit: int) -> list[int]:
        found: list[int] = (
            among.tolist() if len(among) <= limit else self._random.choice(among, limit, replace=False).tolist()
        )
        return found

    def _measured(self, objective: MetricObjective, who: Sequence[int], *, canary_ones: bool) -> list[Reading]:
        usual = self._usual(objective)
        level = usual * self._random.lognormal(0.0, LEVELS if objective.against is not Against.LIMIT else 0.0, len(who))
        found = []
        for device, before in zip(who, level.tolist(), strict=True):
            hw = self._people.hw_names[self._people.hw[device]]
            effect = self._effect(objective.metric, hw)
            ratio = effect.ratio if canary_ones else 1.0
            after = before * ratio * float(np.exp(self._random.normal(0.0, effect.spread)))
            site = self._people.site_names[self._people.site[device]]
            found.append(Reading(str(device), hw, site, canary_ones, before, after))
        return found

    def _effect(self, metric: str, hw: str) -> Effect:
        model = self._model if not self._model.on or hw in self._model.on else self._healthy
        return model.metrics.get(metric, self._healthy.metrics.get(metric, PLAIN))

    def _usual(self, objective: MetricObjective) -> float:
        """The assumed one; else well within the bounds where it is judged against a figure."""
        for model in (self._model, self._healthy):
            effect = model.metrics.get(objective.metric)
            if effect is not None and effect.usual is not None:
                return effect.usual
        low, high = objective.low, objective.high
        if objective.against is not Against.LIMIT or (low is None and high is None):
            return 100.0
        if low is not None and high is not None:
            return (low + high) / 2
        return low * 1.25 if low is not None else (high or 0.0) / 1.25
