"""What ran before the update, as numbers to compare with: `<check>.<metric>`, and `<check>.failed` for what was broken.

Pure. Promises: a camera that was dead before does not fail the release, and an unsettled old application gives no such
excuse. Source: field notes (balena compares with before; AI-on-the-edge had to remove reboots on a dead camera).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surefoot_agent.ports import CheckResult
from surefoot_shared.status import Check

FAILED = "failed"


def measured_before(rounds: Sequence[Sequence[CheckResult]], settled: bool) -> Mapping[str, float]:
    """Fold looks at the old release: the last numbers of good looks, and what failed in every look of a settled one."""
    baseline: dict[str, float] = {}
    for result in (one for round_ in rounds for one in round_ if one.result is Check.PASS):
        baseline.update({f"{result.name}.{metric}": value for metric, value in result.measured.items()})
    if settled:
        baseline.update({f"{name}.{FAILED}": 1.0 for name in _always_failing(rounds)})
    return baseline


def failed_before(check: str, baseline: Mapping[str, float]) -> bool:
    return baseline.get(f"{check}.{FAILED}") == 1.0


def _always_failing(rounds: Sequence[Sequence[CheckResult]]) -> set[str]:
    failing = [{result.name for result in round_ if result.result is Check.FAIL} for round_ in rounds]
    return set.intersection(*failing) if failing else set()
