"""Probation as a pure function: check results in, new state and perhaps a verdict out.

startup → steady → soak. In startup failures do not count; it ends after startup_s. As soon as every required check has
passed `steady` times in a row, whether startup is over or not, the soak begins; it ends healthy after soak_s. In steady
and soak a required check that misses its k of n is unhealthy, and so is a release that does not become steady in time.
Wanted checks are reported and never decide.
Promises: no clock, no I/O; `now` is monotonic seconds. A check without a result never passes.
Sources: field notes on timing (Kubernetes startupProbe, Nerves StartupGuard); DESIGN §5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from surefoot_agent.ports import CheckResult
from surefoot_shared.release import HealthCheck, Manifest, Probation
from surefoot_shared.status import Check

START_ALLOWANCE_S = 5.0
"""Exec of the application, worker threads and one late round, on the slowest board that was measured."""


class Stage(str, Enum):
    STARTUP = "startup"
    STEADY = "steady"
    SOAK = "soak"


@dataclass(frozen=True)
class Track:
    """What one check has shown: its last n results that count, the passes in a row, the last round and words."""

    counted: tuple[Check, ...] = ()
    streak: int = 0
    ran_at: float | None = None
    last: CheckResult | None = None


@dataclass(frozen=True)
class ProbationState:
    """The state of a probation. `began_at` and `soak_began_at` are monotonic seconds."""

    began_at: float
    stage: Stage = Stage.STARTUP
    soak_began_at: float | None = None
    tracks: Mapping[str, Track] = field(default_factory=dict)


@dataclass(frozen=True)
class HealthVerdict:
    """The end of a probation. `check` and `message` say which check decided; `soak_s` is the soak that was passed."""

    healthy: bool
    check: str | None
    message: str
    measured: Mapping[str, float]
    soak_s: float = 0.0


def begin(now: float) -> ProbationState:
    return ProbationState(began_at=now)


def due(manifest: Manifest, state: ProbationState, now: float) -> tuple[str, ...]:
    """Names of the checks whose interval is over."""
    tracks = state.tracks
    return tuple(c.name for c in manifest.checks if _is_due(c, tracks.get(c.name, Track()), now))


def judge(
    manifest: Manifest, state: ProbationState, results: Iterable[CheckResult], now: float
) -> tuple[ProbationState, HealthVerdict | None]:
    """Fold one round of results (none is allowed: time alone may decide) into the state."""
    rules = manifest.probation
    state = _leave_startup_by_time(state, rules, now)
    state = _record(state, manifest.checks, results, now)
    required = [c for c in manifest.checks if c.required]
    failing = _first_miss(state, required)
    if failing is not None:
        return state, failing
    state = _advance(state, required, rules, now)
    return state, _ended(state, required, manifest, now)


def ready(manifest: Manifest, state: ProbationState, now: float) -> ProbationState:
    """End the startup now, by the application's own word: from here on failures count, as if startup_s were over."""
    if state.stage is not Stage.STARTUP:
        return state
    return replace(state, stage=Stage.STEADY, began_at=min(state.began_at, now - manifest.probation.startup_s))


def needed_s(manifest: Manifest) -> float:
    """Longest time an honest probation takes: the guard's budget per start must be above it.

    A manifest that needs more than the device's guard_budget_s could only end in a revert, and is refused beforehand.
    """
    return START_ALLOWANCE_S + manifest.probation.startup_s + _steady_limit_s(manifest) + manifest.probation.soak_s


def _steady_limit_s(manifest: Manifest) -> float:
    """Twice the time that `steady` passes in a row take, so that a single slow round does not decide."""
    round_s = max((c.interval_s + c.timeout_s for c in manifest.checks if c.required), default=1.0)
    return 2 * manifest.probation.steady * round_s


def _is_due(check: HealthCheck, track: Track, now: float) -> bool:
    return track.ran_at is None or now - track.ran_at >= check.interval_s


def _leave_startup_by_time(state: ProbationState, rules: Probation, now: float) -> ProbationState:
    if state.stage is Stage.STARTUP and now - state.began_at > rules.startup_s:
        return replace(state, stage=Stage.STEADY)
    return state


def _record(
    state: ProbationState, checks: Sequence[HealthCheck], results: Iterable[CheckResult], now: float
) -> ProbationState:
    by_name, tracks = {c.name: c for c in checks}, dict(state.tracks)
    for result in results:
        check, before = by_name[result.name], tracks.get(result.name, Track())
        held = result.result is not Check.FAIL
        counted = (*before.counted, result.result)[-check.n :] if state.stage is not Stage.STARTUP else ()
        tracks[result.name] = Track(counted, before.streak + 1 if held else 0, now, result)
    return replace(state, tracks=tracks)


def _first_miss(state: ProbationState, required: Sequence[HealthCheck]) -> HealthVerdict | None:
    for check in required:
        track = state.tracks.get(check.name, Track())
        failed = sum(result is Check.FAIL for result in track.counted)
        if failed > check.n - check.k and track.last is not None:
            return _unhealthy(track.last, f"{failed} of {len(track.counted)} looks failed", track.last.measured)
    return None


def _advance(state: ProbationState, required: Sequence[HealthCheck], rules: Probation, now: float) -> ProbationState:
    streak = min((state.tracks.get(c.name, Track()).streak for c in required), default=rules.steady)
    if state.stage is not Stage.SOAK and streak >= rules.steady:
        return replace(state, stage=Stage.SOAK, soak_began_at=now)
    return state


def _ended(
    state: ProbationState, required: Sequence[HealthCheck], manifest: Manifest, now: float
) -> HealthVerdict | None:
    rules = manifest.probation
    if state.stage is Stage.SOAK and state.soak_began_at is not None:
        soaked_s = now - state.soak_began_at
        if soaked_s >= rules.soak_s and _all_hold(state, required, now):
            return HealthVerdict(
                True, None, f"Every required check passed its soak of {rules.soak_s:g} s.", {}, soaked_s
            )
        if soaked_s >= rules.soak_s + _steady_limit_s(manifest):
            return _late(state, required, now, "gave no passing result at the end of the soak")
    limit_s = rules.startup_s + _steady_limit_s(manifest)
    if state.stage is not Stage.SOAK and now - state.began_at > limit_s:
        return _late(state, required, now, f"did not pass {rules.steady} times in a row within {limit_s:g} s")
    return None


def _all_hold(state: ProbationState, required: Sequence[HealthCheck], now: float) -> bool:
    """The last look of each required check is good and not stale: silence is not health."""
    return all(_holds(state.tracks.get(c.name, Track()), c, now) for c in required)


def _holds(track: Track, check: HealthCheck, now: float) -> bool:
    fresh = track.ran_at is not None and now - track.ran_at <= 2 * (check.interval_s + check.timeout_s)
    return fresh and track.streak >= 1


def _late(state: ProbationState, required: Sequence[HealthCheck], now: float, words: str) -> HealthVerdict:
    worst = min(required, key=lambda c: state.tracks.get(c.name, Track()).streak)
    track = state.tracks.get(worst.name, Track())
    if track.last is None:
        return HealthVerdict(False, worst.name, f"Check {worst.name} {words}: it never gave a result.", {})
    return _unhealthy(track.last, words, track.last.measured)


def _unhealthy(last: CheckResult, words: str, measured: Mapping[str, float]) -> HealthVerdict:
    return HealthVerdict(False, last.name, f"Check {last.name}: {last.message} ({words})", measured)
