"""Probation as a pure function: check results in, new state and perhaps a verdict out.

startup → steady → soak. In startup failures do not count; it ends after startup_s. As soon as every required check has
passed `steady` times in a row, whether startup is over or not, the soak begins; it ends healthy after soak_s. In steady
and soak a required check that misses its k of n is unhealthy, and so is a release that does not become steady in time.
Wanted checks are reported and never decide. A check of the device itself must pass once, not several times in a row;
one with a window (the uplink) keeps nothing from its soak and decides only when its window after the switch is over.
Promises: no clock, no I/O; `now` is monotonic seconds. A check without a result never passes.
Sources: field notes on timing (Kubernetes startupProbe, Nerves StartupGuard); DESIGN §5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from surefoot_agent.health.local import DeviceCheck
from surefoot_agent.ports import CheckResult, Suite
from surefoot_shared.messages import CheckReport
from surefoot_shared.release import HealthCheck, Probation
from surefoot_shared.status import Check

START_ALLOWANCE_S = 5.0
"""Exec of the application, worker threads and one late round, on the slowest board that was measured."""


FIRST_PASS_S = 5.0
"""Until a device's own check has passed it is repeated this soon; afterwards at its own, longer, interval."""
OUTPUT_CHARACTERS, OUTPUT_IF_GOOD = 2048, 200
"""Of what a failing check said and of what a good one said: a revert report with twenty checks stays below 16 KiB."""
MOST_REPORTS = 50


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
    switched_at: float | None = None
    """Windows count from here; `began_at` moves where the application says that its startup is over."""
    tracks: Mapping[str, Track] = field(default_factory=dict)


@dataclass(frozen=True)
class HealthVerdict:
    """The end of a probation. `check` and `message` say which check decided; `soak_s` is the soak that was passed."""

    healthy: bool
    check: str | None
    message: str
    measured: Mapping[str, float]
    soak_s: float = 0.0
    checks: tuple[CheckReport, ...] = ()
    """How every check stood, the failing ones first."""
    doubt: str = ""
    """What a healthy verdict could not say, for people."""


def begin(now: float) -> ProbationState:
    return ProbationState(began_at=now, switched_at=now)


def due(suite: Suite, state: ProbationState, now: float) -> tuple[str, ...]:
    """Names of the checks whose interval is over."""
    tracks = state.tracks
    return tuple(c.name for c in suite.checks if _is_due(c, tracks.get(c.name, Track()), now))


def judge(
    suite: Suite, state: ProbationState, results: Iterable[CheckResult], now: float
) -> tuple[ProbationState, HealthVerdict | None]:
    """Fold one round of results (none is allowed: time alone may decide) into the state."""
    state = _leave_startup_by_time(state, suite.probation, now)
    state = _record(state, suite.checks, results, now)
    prompt = [c for c in suite.checks if c.required and _window_s(c) is None]
    verdict = _first_miss(state, prompt)
    if verdict is None:
        state = _advance(state, prompt, suite.probation, now)
        verdict = _ended(state, prompt, suite, now)
    return state, replace(verdict, checks=_reports(suite, state)) if verdict else None


def ready(suite: Suite, state: ProbationState, now: float) -> ProbationState:
    """End the startup now, by the application's own word: from here on failures count, as if startup_s were over."""
    if state.stage is not Stage.STARTUP:
        return state
    return replace(state, stage=Stage.STEADY, began_at=min(state.began_at, now - suite.probation.startup_s))


def later(state: ProbationState, seconds: float) -> ProbationState:
    """Move everything by a time in which nobody could look."""

    def moved(at: float | None) -> float | None:
        return None if at is None else at + seconds

    tracks = {name: replace(track, ran_at=moved(track.ran_at)) for name, track in state.tracks.items()}
    return replace(
        state,
        began_at=state.began_at + seconds,
        soak_began_at=moved(state.soak_began_at),
        switched_at=moved(state.switched_at),
        tracks=tracks,
    )


def needed_s(suite: Suite) -> float:
    """Longest time an honest probation takes: the guard's budget per start must not be below it.

    A release that needs more than the device's guard_budget_s could only end in a revert, and is refused beforehand.
    """
    rules = suite.probation
    windows_s = [window_s for c in suite.checks if c.required and (window_s := _window_s(c)) is not None]
    judged_s = rules.startup_s + _steady_limit_s(suite) + rules.soak_s
    return START_ALLOWANCE_S + max([judged_s, *windows_s])


def _steady_limit_s(suite: Suite) -> float:
    """Twice the time that its passes in a row take the slowest check, so that a single slow round does not decide."""
    prompt = [c for c in suite.checks if c.required and _window_s(c) is None]
    rounds_s = [_passes(c, suite.probation) * (_spacing_s(c) + c.timeout_s) for c in prompt]
    return 2 * max(rounds_s, default=float(suite.probation.steady))


def _passes(check: HealthCheck, rules: Probation) -> int:
    return 1 if isinstance(check, DeviceCheck) else rules.steady


def _spacing_s(check: HealthCheck) -> float:
    """Time to the next look. Before its first pass a check of the device is looked at again within FIRST_PASS_S."""
    return min(check.interval_s, FIRST_PASS_S) if isinstance(check, DeviceCheck) else check.interval_s


def _window_s(check: HealthCheck) -> float | None:
    return check.window_s if isinstance(check, DeviceCheck) else None


def _is_due(check: HealthCheck, track: Track, now: float) -> bool:
    spacing_s = check.interval_s if track.streak else _spacing_s(check)
    return track.ran_at is None or now - track.ran_at >= spacing_s


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
    steady = all(state.tracks.get(c.name, Track()).streak >= _passes(c, rules) for c in required)
    if state.stage is not Stage.SOAK and steady:
        return replace(state, stage=Stage.SOAK, soak_began_at=now)
    return state


def _ended(state: ProbationState, required: Sequence[HealthCheck], suite: Suite, now: float) -> HealthVerdict | None:
    rules = suite.probation
    if state.stage is Stage.SOAK and state.soak_began_at is not None:
        soaked_s = now - state.soak_began_at
        if soaked_s >= rules.soak_s and _all_hold(state, required, now):
            return _at_last(state, suite, soaked_s, now)
        if soaked_s >= rules.soak_s + _steady_limit_s(suite):
            return _late(state, required, now, "gave no passing result at the end of the soak")
    limit_s = rules.startup_s + _steady_limit_s(suite)
    if state.stage is not Stage.SOAK and now - state.began_at > limit_s:
        return _late(state, required, now, f"did not pass {rules.steady} times in a row within {limit_s:g} s")
    return None


def _at_last(state: ProbationState, suite: Suite, soaked_s: float, now: float) -> HealthVerdict | None:
    """The soak is over: what has a window of its own may still be waited for, until that is over too."""
    rules, unsure = suite.probation, []
    for check in (c for c in suite.checks if c.required):
        window_s, track = _window_s(check), state.tracks.get(check.name, Track())
        if window_s is None or track.streak >= 1:
            unsure += [track.last] if track.last and track.last.result is Check.UNKNOWN else []
        elif now - (state.began_at if state.switched_at is None else state.switched_at) < window_s:
            return None
        else:
            return _late(state, [check], now, f"did not hold within {window_s:g} s after the switch")
    doubts = [f"Check {last.name} decided nothing: {last.message}." for last in unsure]
    doubt = " ".join([*doubts, *_wanted_that_fail(state, suite)])
    words = f"Every required check passed its soak of {rules.soak_s:g} s."
    return HealthVerdict(True, None, words, {}, soaked_s, doubt=doubt)


def _wanted_that_fail(state: ProbationState, suite: Suite) -> list[str]:
    """Wanted checks decide nothing, and somebody wanted to know."""
    lasts = [state.tracks.get(check.name, Track()).last for check in suite.checks if not check.required]
    return [f"Wanted check {x.name} fails: {x.message}." for x in lasts if x is not None and x.result is Check.FAIL]


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


def _reports(suite: Suite, state: ProbationState) -> tuple[CheckReport, ...]:
    """Every check as it stands, programs of folders one by one, the failing ones first."""
    last = [state.tracks[c.name].last for c in suite.checks if c.name in state.tracks]
    results = [one for result in last if result is not None for one in (result.parts or (result,))]
    results.sort(key=lambda r: (r.result is not Check.FAIL, not r.required))
    return tuple(map(_report, results[:MOST_REPORTS]))


def _report(result: CheckResult) -> CheckReport:
    kept = OUTPUT_CHARACTERS if result.result is Check.FAIL else OUTPUT_IF_GOOD
    return CheckReport(
        result.name,
        result.required,
        result.result,
        result.message[:OUTPUT_CHARACTERS],
        result.took_s,
        result.measured,
        result.output[-kept:],
    )
