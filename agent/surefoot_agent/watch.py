"""One probation as it goes on: which check is due, which is on its way, and what the judge says of the results.

Promises: a check never runs twice at once; only the judge (health.probation) decides. Time in which nobody could look,
because the agent was stopped or the privileged half was away, is no time of the release: the guard's budget bounds it.
Lives on the runner's thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from surefoot_agent import events as e
from surefoot_agent.health import probation
from surefoot_agent.health.probation import HealthVerdict, Stage
from surefoot_agent.ports import CheckResult, Suite

STALL_S = 10.0
"""The loop judges four times a second; one that was away for longer was stopped, or its machine slept."""


def event_of(verdict: HealthVerdict) -> e.Event:
    """What the judge's verdict is to the machine."""
    if verdict.healthy:
        return e.Healthy(verdict.soak_s, verdict.doubt)
    return e.Unhealthy("health_failed", verdict.message, verdict.check, verdict.measured, checks=verdict.checks)


class Watch:
    def __init__(self, suite: Suite, now: float) -> None:
        self.suite = suite
        self._state = probation.begin(now)
        self._away: set[str] = set()
        self._judged_at, self._blind_since = now, None  # type: float, float | None

    @property
    def stage(self) -> Stage:
        return self._state.stage

    def ready(self, now: float) -> None:
        """The application calls itself ready: its startup is over."""
        self._state = probation.ready(self.suite, self._state, now)

    def soaked_s(self, now: float) -> float:
        """Seconds of soak so far, 0 before it began."""
        return 0.0 if self._state.soak_began_at is None else now - self._state.soak_began_at

    def take_due(self, now: float) -> tuple[str, ...]:
        """Return the checks to run now; they count as on their way until their result or `lost`."""
        due = tuple(name for name in probation.due(self.suite, self._state, now) if name not in self._away)
        self._away.update(due)
        return due

    def lost(self, name: str, blind_at: float | None = None) -> None:
        """A check ended without a result; it is due again. `blind_at`: it could not even look."""
        self._away.discard(name)
        if blind_at is not None and self._blind_since is None:
            self._blind_since = blind_at

    def judge(self, results: Iterable[CheckResult], now: float) -> HealthVerdict | None:
        """Fold results in (none: time alone may decide) and return the verdict, if there is one."""
        results = tuple(results)
        self._away.difference_update(r.name for r in results)
        self._leave_out(now, bool(results))
        if self._blind_since is not None:
            return None
        self._state, verdict = probation.judge(self.suite, self._state, results, now)
        return verdict

    def _leave_out(self, now: float, saw: bool) -> None:
        """Take the time in which nobody could look out of the probation."""
        since = self._judged_at if now - self._judged_at > STALL_S else None
        if self._blind_since is not None and saw:
            since, self._blind_since = self._blind_since, None
        if since is not None:
            self._state = probation.later(self._state, now - since)
        self._judged_at = now
