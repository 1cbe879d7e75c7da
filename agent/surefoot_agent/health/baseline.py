"""What ran before the update, as numbers to compare with: `<check>.<metric>`, and `<check>.failed` for what was broken.

A part of a check (a camera stream, a program of a folder) has a mark of its own, `<check>.failed{part}`, and numbers of
its own, `<check>.<metric>{part}`: those of the good parts are kept though the check as a whole failed.
Pure. Promises: a camera that was dead before does not fail the release, and excuses no other; an unsettled old
application gives no such excuse. Source: field notes (balena compares with before; AI-on-the-edge had to remove reboots
on a dead camera).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surefoot_agent.ports import CheckResult
from surefoot_shared.status import Check

FAILED = "failed"


def measured_before(rounds: Sequence[Sequence[CheckResult]], settled: bool) -> Mapping[str, float]:
    """Fold looks at what ran: the last numbers of what was good, and what failed in every look of a settled one."""
    baseline: dict[str, float] = {}
    for result in (one for round_ in rounds for one in round_):
        good = (m for m in result.measured if _is_good(result, m))
        baseline.update({f"{result.name}.{metric}": result.measured[metric] for metric in good})
    if settled:
        baseline.update({mark(check, part): 1.0 for check, part in _always_failing(rounds)})
    return baseline


def failed_before(check: str, baseline: Mapping[str, float], part: str = "") -> bool:
    return baseline.get(mark(check, part)) == 1.0


def mark(check: str, part: str = "") -> str:
    """The name under which a baseline keeps that something failed."""
    return f"{check}.{FAILED}{{{part}}}" if part else f"{check}.{FAILED}"


def _is_good(result: CheckResult, metric: str) -> bool:
    """A number counts where its check passed, or where it is that of a part that did."""
    if result.result is Check.PASS:
        return True
    part = metric.partition("{")[2].removesuffix("}")
    return bool(part) and bool(result.broken) and "" not in result.broken and part not in result.broken


def _always_failing(rounds: Sequence[Sequence[CheckResult]]) -> set[tuple[str, str]]:
    failing = [
        {(r.name, part) for r in round_ if r.result is Check.FAIL for part in (r.broken or ("",))} for round_ in rounds
    ]
    return set.intersection(*failing) if failing else set()
