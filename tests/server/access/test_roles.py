"""Each role includes the ones before it, and a scope keeps it where it was given."""

from __future__ import annotations

import itertools

import pytest

from surefoot_server.access.roles import FLEET, Grant, Principal, Role, Scope, narrowed
from surefoot_shared.errors import Invalid

LAB, DEV = Scope.parse("cohort:lab"), Scope.parse("channel:dev")


def test_a_role_includes_itself_and_the_lower_ones_only() -> None:
    order = [Role.VIEWER, Role.OPERATOR, Role.RELEASER, Role.ADMIN]

    for (i, has), (j, needed) in itertools.product(enumerate(order), enumerate(order)):
        assert has.includes(needed) is (i >= j)


@pytest.mark.parametrize("text", ["fleet", "cohort:lab", "channel:dev"])
def test_a_scope_reads_as_it_is_written(text: str) -> None:
    assert str(Scope.parse(text)) == text


@pytest.mark.parametrize("text", ["", "cohort", "cohort:", "fleet:lab", "device:cam-1", "Cohort:lab", ":lab"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="no scope"):
        Scope.parse(text)


def test_a_role_over_a_cohort_is_none_over_the_fleet() -> None:
    who = Principal("bob", Role.ADMIN, "", grants=(Grant(LAB, Role.ADMIN),))

    assert who.over_fleet() is None
    assert Principal("first", Role.ADMIN, "t").over_fleet() is Role.ADMIN


@pytest.mark.parametrize(
    ("token", "owner", "left"),
    [
        ([Grant(FLEET, Role.ADMIN)], [Grant(FLEET, Role.VIEWER)], [Grant(FLEET, Role.VIEWER)]),
        ([Grant(FLEET, Role.VIEWER)], [Grant(FLEET, Role.ADMIN)], [Grant(FLEET, Role.VIEWER)]),
        ([Grant(FLEET, Role.ADMIN)], [Grant(LAB, Role.OPERATOR)], [Grant(LAB, Role.OPERATOR)]),
        ([Grant(LAB, Role.ADMIN)], [Grant(FLEET, Role.OPERATOR)], [Grant(LAB, Role.OPERATOR)]),
        ([Grant(LAB, Role.ADMIN)], [Grant(DEV, Role.ADMIN)], []),
        (
            [Grant(LAB, Role.ADMIN)],
            [Grant(FLEET, Role.VIEWER), Grant(LAB, Role.OPERATOR)],
            [Grant(LAB, Role.OPERATOR)],
        ),
    ],
)
def test_a_token_never_has_more_than_its_own_and_its_owners(
    token: list[Grant], owner: list[Grant], left: list[Grant]
) -> None:
    assert list(narrowed(token, owner)) == left
