"""Budgets of the fleet and of each site, kept up to date instead of counted anew."""

from __future__ import annotations

from surefoot_server.rollouts.forecast.assumed import Group
from surefoot_server.rollouts.forecast.floor import Floor
from surefoot_server.rollouts.forecast.people import from_groups
from surefoot_server.rollouts.policy import parse

FLEET = [Group(6, "pi", "s", 2)]


def floor(limits: str) -> Floor:
    policy = parse(f"phases: [{{percent: 100}}]\nlimits: {{{limits}}}\n")
    made = Floor(policy, from_groups(policy, FLEET, "x"))
    for who in range(6):
        made.wait(who)
    return made


def never(_who: int) -> bool:
    return False


def test_a_site_has_no_more_away_than_its_limit_and_the_next_one_follows_who_is_back() -> None:
    budget = floor("per_site_unavailable: 1")

    first = list(budget.next_ones(never))
    assert len(first) == 2
    assert list(budget.next_ones(never)) == []

    budget.leave(first[0])
    assert len(list(budget.next_ones(never))) == 1


def test_the_fleets_limit_holds_over_all_sites() -> None:
    budget = floor("max_unavailable: 3")

    assert list(budget.next_ones(never)) == [0, 1, 2]
    budget.leave(1)
    assert list(budget.next_ones(never)) == [3]


def test_who_waits_for_its_hour_lets_the_next_one_of_its_site_go() -> None:
    budget = floor("per_site_unavailable: 1")
    went = list(budget.next_ones(never))

    budget.leave(went[0])
    budget.leave(went[1])
    asked: list[int] = []
    assert list(budget.next_ones(lambda who: asked.append(who) or True)) == []

    assert len(asked) == 4, "each was told that its hour is not now"


def test_without_limits_nobody_is_counted() -> None:
    policy = parse("phases: [{percent: 100}]")
    budget = Floor(policy, from_groups(policy, FLEET, "x"))

    budget.leave(0)

    assert not budget.used
