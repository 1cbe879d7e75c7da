"""Decisions are plain values that explain themselves."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from surefoot_server.rollouts.apply import kind_of
from surefoot_server.rollouts.decisions import BeginBake, Decision, Lose

KINDS = typing.get_args(Decision)


@pytest.mark.parametrize("kind", KINDS)
def test_every_decision_carries_its_reason(kind: type) -> None:
    assert "reason" in {f.name for f in dataclasses.fields(kind)}


def test_a_decision_cannot_be_changed_after_it_was_taken() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BeginBake(0, "all ended").phase = 1  # type: ignore[misc]


def test_the_names_in_the_audit_trail_are_readable_and_distinct() -> None:
    names = {kind_of(kind.__new__(kind)) for kind in KINDS}

    assert len(names) == len(KINDS)
    assert kind_of(Lose("cam-1", "silent")) == "lose"
    assert kind_of(BeginBake(0, "")) == "begin_bake"
