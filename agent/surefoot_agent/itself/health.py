"""A new agent is judged by its own checks, by its uplink, and by whether it can still verify what this device holds.

Promises: the check `trust` is required whatever the release says: an agent that lost trust could never be replaced.
It asks the verification child, as every assignment does, and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from surefoot_agent.ports import CheckResult, Health, Suite
from surefoot_shared.errors import SurefootError
from surefoot_shared.release import CheckKind, HealthCheck, Manifest
from surefoot_shared.status import Check

TRUST = HealthCheck("trust", CheckKind.PROCESS, interval_s=2.0, timeout_s=10.0)


class OwnHealth:
    """Health port: everything else is `others`'."""

    def __init__(self, others: Health, rehearse: Callable[[], None]) -> None:
        self._others, self._rehearse = others, rehearse

    def suite(self, manifest: Manifest) -> Suite:
        suite = self._others.suite(manifest)
        return replace(suite, checks=(*(c for c in suite.checks if c.name != TRUST.name), TRUST))

    def run(
        self, suite: Suite, baseline: Mapping[str, float], only: Collection[str] | None = None
    ) -> Sequence[CheckResult]:
        rest = replace(suite, checks=tuple(c for c in suite.checks if c is not TRUST))
        found = list(self._others.run(rest, baseline, only))
        return [*found, self._look()] if only is None or TRUST.name in only else found

    def baseline(self, manifest: Manifest) -> Mapping[str, float]:
        return self._others.baseline(manifest)

    def _look(self) -> CheckResult:
        began = time.monotonic()
        try:
            self._rehearse()
        except SurefootError as error:
            return CheckResult(TRUST.name, True, Check.FAIL, error.message, took_s=time.monotonic() - began)
        return CheckResult(TRUST.name, True, Check.PASS, "", took_s=time.monotonic() - began)
