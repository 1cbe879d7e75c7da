"""What a policy without phases means under each strategy."""

from __future__ import annotations

from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.strategy import LADDER, Strategy


def test_only_a_canary_climbs_a_ladder_by_itself() -> None:
    assert [p.percent for p in parse("").phases] == list(LADDER)
    assert [p.percent for p in parse("rollout: {strategy: rolling}").phases] == [100]
    assert [p.percent for p in parse("rollout: {strategy: blue-green}").phases] == [100]
    assert parse("").strategy is Strategy.CANARY
