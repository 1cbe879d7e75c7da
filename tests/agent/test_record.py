from __future__ import annotations

import dataclasses

import pytest

from surefoot_agent.record import Committed, Ended, Ending, Record
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.status import Outcome, SlotName
from tests.agent.test_machine import PROOF, REPORT, WISH

FULL = Record(
    component="app",
    wish=WISH,
    slot=SlotName.B,
    ending=Ending(Outcome.REVERTED, "health_failed", "frozen frames", "camera", {"fps": 0.0}),
    report=REPORT,
    committed=Committed("c" * 64, "1.0", SlotName.A),
    ended=Ended("a-0", 1, Outcome.COMMITTED, proof=PROOF),
)


def test_a_record_comes_back_from_its_wire_form_as_it_was() -> None:
    assert wire.decode(Record, wire.encode(FULL)) == FULL


def test_every_field_but_the_component_has_a_default_so_that_an_older_record_can_be_read() -> None:
    assert wire.decode(Record, b'{"component": "app"}') == Record("app")
    for kind in (Record,):
        without = [f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
        assert without == ["component"]


def test_a_record_of_a_version_to_come_is_refused() -> None:
    with pytest.raises(Invalid, match="version"):
        wire.decode(Record, b'{"component": "app", "v": 2}')


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.seq = 9  # type: ignore[misc]
