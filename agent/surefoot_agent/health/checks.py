"""Run the checks of a release at the same time: none stops, delays or hides another, and each has its timeout.

Promises: one result for every check asked for, within the longest timeout and a grace; a look that hangs is a failure
and is not started again while it hangs. A camera stream, a metric, a unit or a program of the device that failed before
the update too is UNKNOWN, not a failure: the release did not break it. Refuses to decide anything else: that is
probation's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from surefoot_agent.failures import AGAIN
from surefoot_agent.health import local
from surefoot_agent.health.baseline import failed_before, measured_before
from surefoot_agent.health.local import DeviceCheck, Folders
from surefoot_agent.health.looks import look, of_application
from surefoot_agent.health.scene import Finding, Memory, Scene
from surefoot_agent.health.uplink import Uplink
from surefoot_agent.ports import ApplicationControl, CheckResult, Running, Slots, Suite
from surefoot_shared.errors import SurefootError
from surefoot_shared.release import CheckKind, HealthCheck, Manifest
from surefoot_shared.status import Check

GRACE_S = 0.5
"""Beyond a check's own timeout: starting a thread on a loaded board, and the message of the look's own timeout."""

LOOKS = 3
BETWEEN_LOOKS_S = 0.5
"""Three looks half a second apart: longer than the restart of an application, short beside any download."""
EXCUSED = frozenset({CheckKind.CAMERA, CheckKind.METRIC, CheckKind.UNIT})
"""These may be broken before; a release whose process or endpoint does not answer has no such excuse."""


class Checks:
    """Health port; `pids` names the application's processes besides the recorded one, `folders` the device's checks."""

    def __init__(
        self,
        application: ApplicationControl,
        slots: Slots,
        pids: Callable[[], Sequence[int]],
        env: Mapping[str, str] | None = None,
        folders: Folders | None = None,
        node: Callable[[], Mapping[str, float]] | None = None,
        uplink: Uplink | None = None,
    ) -> None:
        self._application, self._slots, self._pids = application, slots, pids
        self._env, self._folders = dict(env or {}), folders
        self._node = node or dict
        self._uplink = uplink
        self._memory = Memory()
        self._hanging: dict[str, threading.Thread] = {}

    def suite(self, manifest: Manifest) -> Suite:
        own = self._folders.checks() if self._folders else ()
        if self._uplink is None:
            return Suite(manifest, (*manifest.checks, *own))
        named = next((c for c in manifest.checks if c.kind is CheckKind.UPLINK), None)
        uplink = self._uplink.check(named)
        released = (c for c in manifest.checks if c.kind is not CheckKind.UPLINK)
        return Suite(manifest, (*released, *own, *((uplink,) if uplink else ())))

    def run(
        self, suite: Suite, baseline: Mapping[str, float], only: Collection[str] | None = None
    ) -> Sequence[CheckResult]:
        """Look once with every check, or with those named in `only`, at the very release of the manifest."""
        running = self._application.running()
        if running is not None and self._slots.installed(running.slot) != suite.manifest:
            running = None
        checks = [c for c in suite.checks if only is None or c.name in only]
        return self._look(checks, self._scene(running, suite.manifest, baseline))

    def baseline(self, manifest: Manifest) -> Mapping[str, float]:
        """Measure what runs now with the checks that will judge the new release.

        A failure counts only for an application that is past its startup and failed `LOOKS` times in a row: one bad
        moment of the old release must not excuse the new one. Where nothing runs, only the device itself is measured.
        """
        running = self._application.running()
        checks = self.suite(manifest).checks
        own = [check for check in checks if not _of_application(check)]
        scene = self._scene(running, None if running is None else self._slots.installed(running.slot), {}, before=True)
        measured = dict(self._rounds(own, scene, settled=True))
        if running is not None:
            settled = running.uptime_s >= manifest.probation.startup_s
            measured.update(self._rounds([c for c in checks if _of_application(c)], scene, settled))
        return measured

    def _rounds(self, checks: Sequence[HealthCheck], scene: Scene, settled: bool) -> Mapping[str, float]:
        """Look at all, then again at those that failed."""
        rounds = [self._look(checks, scene)]
        while settled and len(rounds) < LOOKS:
            once = {c.name for c in checks if c.kind is CheckKind.UPLINK}  # it takes long, and one failure excuses it
            failing = {r.name for r in rounds[-1] if r.result is Check.FAIL} - once
            if not failing:
                break
            time.sleep(BETWEEN_LOOKS_S)
            rounds.append(self._look([c for c in checks if c.name in failing], scene))
        return measured_before(rounds, settled)

    def _scene(
        self, running: Running | None, manifest: Manifest | None, baseline: Mapping[str, float], before: bool = False
    ) -> Scene:
        return Scene(
            running=running,
            tree=None if running is None else self._slots.path(running.slot),
            endpoint=self._application.endpoint(),
            env=self._env,
            pids=self._pids,
            baseline=baseline,
            files={file.path: file for file in manifest.files} if manifest else {},
            node=self._node,
            before=before,
        )

    def _look(self, checks: Sequence[HealthCheck], scene: Scene) -> list[CheckResult]:
        looks = [_Look(check, scene, self._memory, self._hanging, self._uplink) for check in checks]
        return [one.result() for one in looks]


def _of_application(check: HealthCheck) -> bool:
    return not isinstance(check, DeviceCheck) and of_application(check)


class _Look:
    """One check on a thread of its own; a thread that outlives its timeout is left behind and remembered."""

    def __init__(
        self,
        check: HealthCheck,
        scene: Scene,
        memory: Memory,
        hanging: dict[str, threading.Thread],
        uplink: Uplink | None = None,
    ) -> None:
        self._check, self._scene, self._memory, self._hanging = check, scene, memory, hanging
        self._uplink = uplink
        self._finding: Finding | None = None
        self._began, self._took_s = time.monotonic(), 0.0
        before = hanging.get(check.name)
        self._thread: threading.Thread | None = None
        if before is None or not before.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"check-{check.name}", daemon=True)
            self._thread.start()

    def result(self) -> CheckResult:
        check, found = self._check, self._wait()
        broken = {} if found.good else dict(found.broken or {"": found.message})
        old = {part for part in broken if self._excused(part)}
        verdict, message = Check.PASS, found.message
        if not found.good:
            verdict = Check.FAIL if found.counts and set(broken) - old else Check.UNKNOWN
            message = _words(found, broken, old, verdict)
        parts = local.excused(found.results, {part: part in old for part in broken})
        took_s = round(self._took_s or time.monotonic() - self._began, 3)
        return CheckResult(
            check.name,
            check.required,
            verdict,
            message,
            found.measured,
            took_s,
            found.output,
            tuple(broken) if found.broken else (),
            parts,
        )

    def _excused(self, part: str) -> bool:
        check = self._check
        if check.kind is CheckKind.UPLINK:
            return False  # its own policy says what the time before means
        may = check.kind in EXCUSED or isinstance(check, DeviceCheck)
        return may and failed_before(check.name, self._scene.baseline, part)

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
            self._finding = self._seen()
        except SurefootError as error:
            self._finding = Finding(False, error.message, counts=error.kind not in AGAIN)
        except KeyError as error:
            self._finding = Finding(False, f"the check has no parameter {error}")
        except (ValueError, OSError) as error:
            self._finding = Finding(False, str(error))
        self._took_s = time.monotonic() - self._began

    def _seen(self) -> Finding:
        if isinstance(self._check, DeviceCheck) and self._check.programs:
            return local.look(self._check)
        if self._check.kind is CheckKind.UPLINK and self._uplink is not None:
            return self._uplink.look(self._check, self._scene)
        return look(self._check, self._scene, self._memory)


def _words(found: Finding, broken: Mapping[str, str], old: Collection[str], verdict: Check) -> str:
    """What is new first; what failed before too is named and told apart."""
    if not old:
        return found.message
    before = ", ".join(sorted(part for part in old if part))
    if verdict is Check.UNKNOWN:
        return f"{found.message}; it failed before the update too"
    new = "; ".join(f"{part}: {text}" if part else text for part, text in broken.items() if part not in old)
    return f"{new} ({before or 'the rest'} failed before the update too)"
