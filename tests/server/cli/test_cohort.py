"""`surefoot cohort`: saved queries."""

from __future__ import annotations

from tests.server.cli.conftest import Operator


def test_a_cohort_is_saved_listed_and_shown(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1", tags=["lab"])
    surefoot.rig.device("cam-2")

    made = surefoot("cohort", "create", "lab", "tag('lab')")

    assert "1 device belong" in made.out
    assert surefoot("cohort", "list").out.splitlines()[1].split() == ["lab", "1", "tag('lab')"]
    assert surefoot("cohort", "show", "lab").out == "cam-1\n"


def test_an_expression_that_cannot_be_read_exits_with_2_and_its_column(surefoot: Operator) -> None:
    said = surefoot("cohort", "create", "lab", "tag(lab)")

    assert said.code == 2
    assert "column 5" in said.err


def test_a_name_twice_exits_with_5_and_an_unknown_one_with_3(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")

    assert surefoot("cohort", "create", "lab", "all").code == 5
    assert surefoot("cohort", "show", "none").code == 3
