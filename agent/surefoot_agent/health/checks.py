"""Run the checks of a release at the same time: none stops, delays or hides another, and each has its timeout.

Promises: one result for every check asked for, within the longest timeout and a grace; a look that hangs is a failure
and is not started again while it hangs. A camera or metric that failed before the update too is UNKNOWN, not a failure:
the release did not break it. Refuses to decide anything else: that is probation's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from surefoot_agent.health.baseline import failed_before, measured_before
from surefoot_agent.health.looks import Finding, Scene, Views, look
from surefoot_agent.ports import ApplicationControl, CheckResult, Running, Slots
from surefoot_shared.errors import SurefootError
from surefoot_shared.release import CheckKind, HealthCheck, Manifest
from surefoot_shared.status import Check

GRACE_S = 0.5
"""Beyond a check's own timeout: starting a thread on a loaded board, and the message of the look's own timeout."""

LOOKS = 3
BETWEEN_LOOKS_S = 0.5
"""Three looks half a second apart: longer than the restart of an application, short beside any download."""
EXCUSED = frozenset({CheckKind.CAMERA, CheckKind.METRIC})
"""A camera may be broken before; a release whose process or endpoint does not answer has no such excuse."""


class Checks:
    """Health port; `pids` names the application's processes besides the recorded one."""

    def __init__(
        self,
        application: ApplicationControl,
        slots: Slots,
        pids: Callable[[], Sequence[int]],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._application, self._slots, self._pids = application, slots, pids
        self._env = dict(env or {})
        self._views = Views()
        self._hanging: dict[str, threading.Thread] = {}

    def run(
        self, manifest: Manifest, baseline: Mapping[str, float], only: Collection[str] | None = None
    ) -> Sequence[CheckResult]:
        """Look once with every check, or with those named in `only`, at the very release of the manifest."""
        running = self._application.running()
        if running is not None and self._slots.installed(running.slot) != manifest:
            running = None
        checks = [c for c in manifest.checks if only is None or c.name in only]
        return self._look(checks, running, baseline)

    def baseline(self, manifest: Manifest) -> Mapping[str, float]:
        """Measure what runs now with the new release's checks; {} where nothing runs that could be measured.

        A failure counts only for an application that is past its startup and failed `LOOKS` times in a row: one bad
        moment of the old release must not excuse the new one.
        """
        running = self._application.running()
        if running is None:
            return {}
        settled = running.uptime_s >= manifest.probation.startup_s
        rounds = [self._look(manifest.checks, running, {})]
        while settled and len(rounds) < LOOKS and any(r.result is Check.FAIL for r in rounds[-1]):
            time.sleep(BETWEEN_LOOKS_S)
            rounds.append(self._look(manifest.checks, running, {}))
        return measured_before(rounds, settled)

    def _look(
        self, checks: Sequence[HealthCheck], running: Running | None, baseline: Mapping[str, float]
    ) -> list[CheckResult]:
        tree = None if running is None else self._slots.path(running.slot)
        scene = Scene(running, tree, self._application.endpoint(), self._env, self._pids, baseline)
        looks = [_Look(check, scene, self._views, self._hanging) for check in checks]
        return [one.result() for one in looks]


class _Look:
    """One check on a thread of its own; a thread that outlives its timeout is left behind and remembered."""

    def __init__(self, check: HealthCheck, scene: Scene, views: Views, hanging: dict[str, threading.Thread]) -> None:
        self._check, self._scene, self._views, self._hanging = check, scene, views, hanging
        self._finding: Finding | None = None
        self._began = time.monotonic()
        before = hanging.get(check.name)
        self._thread: threading.Thread | None = None
        if before is None or not before.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"check-{check.name}", daemon=True)
            self._thread.start()

    def result(self) -> CheckResult:
        check, found = self._check, self._wait()
        verdict = Check.PASS if found.good else Check.FAIL
        message = found.message
        if not found.good and check.kind in EXCUSED and failed_before(check.name, self._scene.baseline):
            verdict, message = Check.UNKNOWN, f"{message}; it failed before the update too"
        return CheckResult(check.name, check.required, verdict, message, found.measured)

    def _wait(self) -> Finding:
        if self._thread is None:
            return Finding(False, "an earlier look still hangs")
        self._thread.join(max(0.0, self._began + self._check.timeout_s + GRACE_S - time.monotonic()))
        if self._thread.is_alive():
            self._hanging[self._check.name] = self._thread
            return Finding(False, f"no result within {self._check.timeout_s:g} s")
        return self._finding or Finding(False, "the look itself broke; the agent's log has the reason")

    def _run(self) -> None:
        try:
            self._finding = look(self._check, self._scene, self._views)
        except SurefootError as error:
            self._finding = Finding(False, error.message)
        except KeyError as error:
            self._finding = Finding(False, f"the check has no parameter {error}")
        except (ValueError, OSError) as error:
            self._finding = Finding(False, str(error))
