"""The checks of a release on a simulated device: the agent's own judges, given what a simulated application shows.

Promises: camera and metric checks are judged by the very functions that judge real ones, against the same baseline;
what was broken before the update is excused by the same rule. Only the look itself (a socket, a process table) is
played. A check that a release is told to fail, fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from surefoot_agent.health import camera, metric
from surefoot_agent.health.baseline import failed_before, measured_before
from surefoot_agent.health.checks import EXCUSED
from surefoot_agent.health.scene import Finding, Memory, Seen
from surefoot_agent.ports import CheckResult, Suite
from surefoot_agent.scrape import Series
from surefoot_shared.release import CheckKind, HealthCheck, Manifest
from surefoot_shared.status import Check
from surefoot_simulators.device.application import Runs
from surefoot_simulators.device.board import Board
from surefoot_simulators.device.conduct import GOOD, SHOWN, Scenery, Usual
from surefoot_simulators.device.slots import SimSlots


class SimHealth:
    """Health port."""

    def __init__(
        self,
        board: Board,
        application: Runs,
        slots: SimSlots,
        figures: Callable[[], Mapping[str, float]],
        uplink: Callable[[], bool],
    ) -> None:
        self._board, self._application, self._slots = board, application, slots
        self._figures, self._uplink = figures, uplink
        self._memory = Memory()

    def suite(self, manifest: Manifest) -> Suite:
        return Suite(manifest, manifest.checks)

    def run(
        self, suite: Suite, baseline: Mapping[str, float], only: Collection[str] | None = None
    ) -> Sequence[CheckResult]:
        checks = [check for check in suite.checks if only is None or check.name in only]
        running = self._application.running()
        ours = running is not None and self._slots.installed(running.slot) == suite.manifest
        return tuple(self._result(check, baseline, ours) for check in checks)

    def baseline(self, manifest: Manifest) -> Mapping[str, float]:
        running = self._application.running()
        if running is None:
            return {}
        settled = running.uptime_s >= manifest.probation.startup_s
        return measured_before([[self._result(check, {}, True) for check in manifest.checks]], settled)

    def _result(self, check: HealthCheck, baseline: Mapping[str, float], ours: bool) -> CheckResult:
        found = self._look(check, baseline) if ours or check.kind is CheckKind.UPLINK else _ABSENT
        verdict = Check.PASS if found.good else Check.FAIL
        if not found.good and check.kind in EXCUSED and failed_before(check.name, baseline):
            verdict = Check.UNKNOWN
        return CheckResult(check.name, check.required, verdict, found.message, found.measured)

    def _look(self, check: HealthCheck, baseline: Mapping[str, float]) -> Finding:
        conduct = self._application.conduct()
        if conduct.fails == check.name and self._application.uptime_s() >= conduct.fails_after_s:
            return Finding(False, "it fails, as the scenario has it")
        known = {k.removeprefix(f"{check.name}."): v for k, v in baseline.items() if k.startswith(f"{check.name}.")}
        match check.kind:
            case CheckKind.CAMERA:
                return self._camera(check, known)
            case CheckKind.METRIC if is_looked_at(check):
                series = [Series(name, value) for name, value in self._figures().items()]
                return metric.judge(check.params, series, known, "the application")
            case CheckKind.UPLINK:
                up = self._uplink()
                return Finding(up, "the broker answers" if up else "the broker cannot be reached")
            case _:
                return Finding(True, "it runs")

    def _camera(self, check: HealthCheck, known: Mapping[str, float]) -> Finding:
        running = self._application.running()
        assert running is not None  # `_result` looks at what runs only
        series = [Series(name, value) for name, value in self._figures().items()]
        now = camera.view(self._board.monotonic(), running.start_id, series)
        seen = self._memory.camera(check.name, running.start_id) or Seen(now, now)
        self._memory.keep_camera(check.name, Seen(seen.first, now))
        found = camera.judge(check.params, seen.last if seen.last is not now else None, now, known, seen.first)
        words = "; ".join(found.problems.values())
        return Finding(not found.problems, words or "frames come", found.measured)


def is_looked_at(check: HealthCheck) -> bool:
    """Whether a simulated device has what the check looks at; any other passes, unless a release is told to fail it."""
    if check.kind is CheckKind.METRIC:
        return str(check.params["metric"]) in SHOWN and not check.params.get("labels")
    return check.kind in (CheckKind.PROCESS, CheckKind.CAMERA, CheckKind.UPLINK)


def broken_by(check: HealthCheck, usual: Usual) -> str:
    """Why a good application that shows this by day would not hold the check; "" where it would."""
    shown = Scenery(0, site_sd=0.0, device_sd=0.0, noise_sd=0.0, usual=usual).figures("", "", GOOD, 0.0, 3600.0)
    series = [Series(name, value) for name, value in shown.items() if not name.endswith("_total")]
    if check.kind is CheckKind.CAMERA:
        return "; ".join(camera.judge(check.params, None, camera.view(0.0, "", series), {}).problems.values())
    known = check.kind is CheckKind.METRIC and check.params["metric"] in {one.name for one in series}
    found = metric.judge(check.params, series, {}, "the application") if known and is_looked_at(check) else None
    return found.message if found and not found.good else ""


_ABSENT = Finding(False, "the application of this release does not run from its slot")
