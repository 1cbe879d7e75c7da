"""`surefoot rollout verdict`: the numbers that decided, in words and columns."""

from __future__ import annotations

import re

from surefoot_server.cli.verdict import Group, Metric, Verdict, text
from surefoot_shared.status import Outcome
from tests.server.cli.conftest import Operator
from tests.server.rollouts.fleet import Fleet

SLOW = Metric(
    metric="camera_fps",
    verdict="fail",
    against="control",
    scale="ratio",
    low=0.97,
    high=None,
    critical=True,
    dry_run=False,
    alpha=0.0055,
    canary=Group(6, 15.2),
    control=Group(30, 29.9),
    missing=1,
    p=0.0036,
    estimate=0.508,
    at_least=0.49,
    at_most=0.52,
    effect=0.0,
    reason="slow",
)


def test_a_failed_phase_shows_what_failed_it(surefoot: Operator, fleet: Fleet) -> None:
    rollout = fleet.start("app/1.2")
    fleet.end(Outcome.REVERTED, *fleet.in_phase(rollout, 0)[:2])
    fleet.tick()

    said = surefoot("rollout", "verdict", rollout)

    assert said.code == 0
    assert "fail (fail phase)" in said.out
    line = next(line for line in said.out.splitlines() if line.startswith("reverted"))
    assert line.split()[1:5] == ["fail", "2", "of", "3"]
    assert surefoot("rollout", "verdict", rollout, "--json").json[0]["verdict"] == "fail"  # type: ignore[index,call-overload]


def test_before_anything_was_judged_it_says_so(surefoot: Operator, fleet: Fleet) -> None:
    rollout = fleet.start("app/1.2")

    assert surefoot("rollout", "verdict", rollout).out == "Nothing was judged yet.\n"


def test_a_metric_shows_both_groups_the_difference_and_how_sure_it_is() -> None:
    found = Verdict("2026-03-01T12:00:00Z", "canary", "fail_phase", "fail", "slow", 2, 4, 6, {"due": 7}, (), (SLOW,))

    lines = text(found).splitlines()

    assert "2026-03-01 12:00 UTC, look 2 of 4" in lines[1]
    assert re.split(r"  +", lines[-1]) == [
        *("camera_fps", "fail (critical)", "control", "15.2 on 6, 1 silent", "29.9 on 30", "×0.508"),
        *("0.49 to 0.52", "0.97 to …", "0.0036 (fails at 0.0055)", "0"),
    ]
