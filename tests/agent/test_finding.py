from __future__ import annotations

import dataclasses

from surefoot_agent import readiness
from surefoot_agent.finding import Finding


def test_a_finding_is_frozen_and_is_the_one_that_check_answers_with() -> None:
    assert dataclasses.is_dataclass(Finding)
    assert Finding("x", True, "fine").hint == ""
    assert readiness.Finding is Finding
