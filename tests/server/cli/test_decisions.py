"""`surefoot rollout decisions`."""

from __future__ import annotations

from tests.server.cli.conftest import Operator
from tests.server.rollouts.fleet import Fleet


def test_what_was_decided_is_listed_with_who_and_why(surefoot: Operator, fleet: Fleet) -> None:
    fleet.start()
    surefoot("rollout", "pause", "r1", "--reason", "a storm \x1b[31m")

    said = surefoot("rollout", "decisions", "r1", "--limit", "1")

    assert said.out.splitlines()[1].split()[3:5] == ["admin-0", "pause"]
    assert "a storm" in said.out
    assert "\x1b" not in said.out
    assert surefoot("rollout", "decisions", "r9").code == 3
