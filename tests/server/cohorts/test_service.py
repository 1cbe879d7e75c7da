"""Saved cohorts: parsed before they are kept, asked anew each time."""

from __future__ import annotations

import pytest

from surefoot_server.cohorts import service
from surefoot_shared.errors import Conflict, Invalid, NotFound
from tests.server.rig import NOW, Rig


def create(rig: Rig, name: str, expression: str) -> None:
    with rig.db.write() as session:
        service.create(session, name, expression, "alice", NOW)


def test_a_cohort_is_asked_anew_each_time(rig: Rig) -> None:
    create(rig, "boards", "hw == 'rpi5'")
    rig.device("cam-1")
    with rig.db.read() as session:
        before = service.devices(session, service.get(session, "boards").expression)

    rig.device("cam-2")

    with rig.db.read() as session:
        assert (before, service.devices(session, "hw == 'rpi5'")) == (["cam-1"], ["cam-1", "cam-2"])


def test_a_name_or_an_expression_is_told_by_its_form(rig: Rig) -> None:
    create(rig, "boards", "hw == 'rpi5'")

    with rig.db.read() as session:
        named, given = service.resolve(session, "boards"), service.resolve(session, "hw ~ 'r*'")
        everyone = service.resolve(session, "all")

    assert (named.label, named.expression) == ("boards", "hw == 'rpi5'")
    assert (given.label, given.expression) == ("hw ~ 'r*'", "hw ~ 'r*'")
    assert everyone.expression == "all"


def test_a_name_that_is_not_saved_is_not_found(rig: Rig) -> None:
    with rig.db.read() as session, pytest.raises(NotFound, match="no cohort 'bords'"):
        service.resolve(session, "bords")


def test_an_expression_that_cannot_be_read_is_never_saved(rig: Rig) -> None:
    with pytest.raises(Invalid, match="column"):
        create(rig, "boards", "hw = 'rpi5'")

    with rig.db.read() as session:
        assert service.all_cohorts(session) == []


@pytest.mark.parametrize("name", ["", "all", "Lab", "a b", "x" * 65, "hw == 'x'", "-lab", "../x"])
def test_names_that_could_be_something_else_are_refused(rig: Rig, name: str) -> None:
    with pytest.raises(Invalid):
        create(rig, name, "all")


def test_a_cohort_is_not_changed_under_the_rollouts_that_name_it(rig: Rig) -> None:
    create(rig, "boards", "hw == 'rpi5'")

    with pytest.raises(Conflict):
        create(rig, "boards", "all")
