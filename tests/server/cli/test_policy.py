"""`surefoot policy`: what `apply` saved, and its use by name."""

from __future__ import annotations

from pathlib import Path

from tests.server.cli.conftest import Operator
from tests.server.rollouts.fleet import Fleet

FLEET = "version: 1\npolicies:\n  quick:\n    phases: [{percent: 100, bake: 60s}]\n"


def test_a_saved_policy_is_listed_shown_and_named_by_a_rollout(
    surefoot: Operator, fleet: Fleet, tmp_path: Path
) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    surefoot("apply", "-f", tmp_path / "fleet.yaml", "--yes")

    assert surefoot("policy", "list").out.splitlines()[1].split()[0] == "quick"
    assert surefoot("policy", "show", "quick").out == "phases: [{percent: 100, bake: 60s}]\n"
    planned = surefoot("rollout", "plan", "--release", "app/1.1", "--cohort", "all", "--policy", "quick")
    assert (planned.code, planned.err) == (0, "")
    assert surefoot("policy", "show", "careful").code == 3
    assert surefoot("rollout", "plan", "--release", "app/1.1", "--cohort", "all", "--policy", "careful").code == 3
