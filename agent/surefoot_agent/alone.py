"""The effects that need nothing but the hands and the record, each with the lane that it runs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from surefoot_agent import effects, only_place, revert_report
from surefoot_agent.events import Effect
from surefoot_agent.lanes import Lane
from surefoot_agent.record import Record
from surefoot_agent.sight import Hands

ALONE: Mapping[Effect, tuple[Lane, Callable[[Hands, Record], object]]] = {
    Effect.PREFLIGHT: (Lane.FILES, effects.preflight),
    Effect.VACATE: (Lane.FILES, only_place.vacate),
    Effect.SEAL: (Lane.FILES, effects.seal),
    Effect.CLEAN: (Lane.FILES, effects.clean),
    Effect.MEASURE: (Lane.APP, effects.measure),
    Effect.WATCH: (Lane.LOOK, effects.on_trial),
    Effect.STORE_REPORT: (Lane.APP, revert_report.store_report),
}
