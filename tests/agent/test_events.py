from __future__ import annotations

import dataclasses

from surefoot_agent import events
from surefoot_agent.events import Effect, Event


def kinds() -> list[type[Event]]:
    return [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]


def test_every_event_is_a_frozen_value_without_a_dictionary() -> None:
    for kind in kinds():
        assert dataclasses.is_dataclass(kind), kind
        assert kind.__dataclass_params__.frozen, kind  # type: ignore[attr-defined]
        assert "__slots__" in vars(kind), kind


def test_equal_events_are_equal() -> None:
    assert events.Switched("start-1") == events.Switched("start-1")
    assert events.Switched("start-1") != events.Switched("start-2")
    assert events.Superseded() != events.Withdrawn()


def test_effects_have_one_word_each() -> None:
    assert len({effect.value for effect in Effect}) == len(Effect)
    assert all(effect.value == effect.name.lower() for effect in Effect)
