"""Whose yes counts: enough people of the role, each once, and never whoever started it."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Principal, Role
from surefoot_server.rollouts.approvals import Approval, check, missing
from surefoot_server.rollouts.policy import parse
from surefoot_shared.errors import Conflict, Invalid, NotAllowed

TWO = Approval(Role.RELEASER, 2)


def person(name: str, role: Role = Role.RELEASER) -> Principal:
    return Principal(name, role, "t")


def test_a_policy_asks_for_approval_of_the_whole_or_of_a_phase() -> None:
    policy = parse(
        "rollout: {approval: {by: admin}}\nphases: [{percent: 50}, {percent: 100, approval: {by: releaser, count: 2}}]"
    )

    assert policy.approval == Approval(Role.ADMIN, 1)
    assert [p.approval for p in policy.phases] == [None, TWO]
    assert TWO.words == "2 approvals by releaser"


def test_an_approval_by_viewers_is_none() -> None:
    with pytest.raises(Invalid, match=r"line 1: rollout\.approval\.by: a viewer only looks"):
        parse("rollout: {approval: {by: viewer}}")


def test_a_higher_role_may_approve_and_a_lower_one_may_not() -> None:
    check(TWO, person("bob", Role.ADMIN), "alice", ())
    with pytest.raises(NotAllowed, match="bob is operator"):
        check(TWO, person("bob", Role.OPERATOR), "alice", ())


def test_whoever_started_it_never_counts() -> None:
    with pytest.raises(NotAllowed, match="alice started the rollout"):
        check(TWO, person("alice", Role.ADMIN), "alice", ())


def test_one_person_counts_once() -> None:
    with pytest.raises(Conflict, match="bob has approved it already"):
        check(TWO, person("bob"), "alice", {"bob"})
    assert missing(TWO, {"bob"}) == 1
    assert missing(TWO, {"bob", "carol", "dave"}) == 0
