"""Shadow: the staged release runs from its slot beside the live one, which keeps its slot, its data and its port.

Promises: nothing is switched and nothing of the live release is touched; the shadow has a data folder of its own that
is thrown away, a log with a bound, a lower priority, and is the first that the kernel ends where memory runs out; it is
started a few times at most, so that one that takes the machine down with it is left alone in the end; once an attempt
was ended here its shadow never starts again, whatever was still under way. An agent that starts anew stops what it
finds and begins the comparison anew; where none starts the guard stops it. Refuses a release whose publisher does not
say that it knows what a shadow is. Knows a shadow by its own mark, so stopping one never stops the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from surefoot_agent import comparison, durable, guard, plan, scrape
from surefoot_agent import events as e
from surefoot_agent.application import Application
from surefoot_agent.bench import Bench
from surefoot_agent.comparison import Comparison, Figures, GoOn, Look, Over, Start
from surefoot_agent.lanes import Lane
from surefoot_agent.ports import ApplicationControl, ShadowControl, Slots
from surefoot_agent.record import Record
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import Sample, ShadowTerms
from surefoot_shared.release import Manifest
from surefoot_shared.status import Outcome, SlotName

SCRAPE_S = 1.0
FOLDER = guard.SHADOW
NICE = 10
"""Enough that a busy core goes to the live release first."""
EXPENDABLE = "1000"
"""oom_score_adj: the first to be ended by the kernel."""
OWN = ("camera_fps", "inference_p95_s", "memory_bytes")
"""What is told of the shadow itself, as of a release that runs."""
STARTS = 3
"""Of one attempt: agents restart for good reasons, but what brings the machine down would be started for ever."""
MEMINFO = Path("/proc/meminfo")
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Run:
    key: Key
    slot: SlotName
    digest: str
    known: Comparison
    own: Mapping[str, float]
    over: Over | None = None
    last: bool = False
    """It runs no more; what it showed is told once more."""
    told: bool = False


class Shadow:
    """ShadowControl port of a component whose slots are folders."""

    def __init__(
        self,
        component_dir: Path,
        slots: Slots,
        live: ApplicationControl,
        clock: Callable[[], float],
        app_env: Mapping[str, str] | None = None,
        log_limit_bytes: int = 4 * 1024 * 1024,
        reserve_bytes: int = 0,
    ) -> None:
        self._folder, self._slots, self._live, self._clock = component_dir / FOLDER, slots, live, clock
        self._log_limit_bytes, self._reserve_bytes = log_limit_bytes, reserve_bytes
        self._env = {**(app_env or {}), "SUREFOOT_SHADOW": "1"}
        self._frames = component_dir.resolve() / "frames"
        self._lock = threading.Lock()
        self._application: Application | None = None
        self._run: _Run | None = None
        self._ended: Key | None = None

    def step(self, key: Key, terms: ShadowTerms, slot: SlotName, manifest: Manifest) -> comparison.Step:
        """Look once, and start or stop as that says. Raises InstallFailed where it cannot be started."""
        with self._lock:
            if key == self._ended:
                return GoOn("it was ended")
            run = self._run
            if run is not None and run.key == key and run.over is not None:
                return run.over  # said before, to an order that was renewed meanwhile
            if run is None or run.key != key or run.last:
                self._stop()
                fresh = Comparison(terms, manifest.probation.startup_s)
                run = _Run(key, slot, self._slots.digest(slot) or "", fresh, {})
            own, look = self._look(run)
            known, follows = comparison.looked(run.known, look)
            self._run = run = replace(run, known=known, own=own or run.own)
            if isinstance(follows, Start):
                follows = self._begin(key, slot, manifest)
            if isinstance(follows, Over):
                self._run = replace(run, over=follows, last=True)
                self._stop()
            return follows

    def end(self, key: Key) -> None:
        """The attempt ended: nothing of it runs from now on."""
        with self._lock:
            self._ended = key
            self._hush()

    def stop(self) -> None:
        with self._lock:
            self._hush()

    def samples(self, at: str, component: str) -> Sequence[Sample]:
        """What the comparison shows, under the digest and slot of the shadow; the last of it is told once."""
        with self._lock:
            run = self._run
            if run is None or run.told:
                return ()
            self._run = replace(run, told=run.last)
            told = {**run.own, **comparison.differences(run.known, run.last)}
        return [Sample(at, name, value, component, run.digest, run.slot) for name, value in sorted(told.items())]

    def _look(self, run: _Run) -> tuple[Mapping[str, float], Look]:
        shadow: Figures | None = None
        own: Mapping[str, float] = {}
        if run.known.began_s is not None:
            shadow, own = self._figures(self._made())
            self._made().bound_log()
        live, room = self._figures(self._live)[0], self._room()
        return own, Look(self._clock(), live, shadow, self._alive(), available_ratio(), room)

    def _begin(self, key: Key, slot: SlotName, manifest: Manifest) -> Start | Over:
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        durable.make_folder(self._folder / "data")
        if not self._counted(key):
            message = f"It was started {STARTS} times, and each time the agent or the machine ended before it."
            return Over(message, "shadow_harmed")
        running = self._made().start(slot, manifest)
        with contextlib.suppress(OSError):  # it may be gone already; the next look says so
            os.setpriority(os.PRIO_PROCESS, running.pid, NICE)
            Path(f"/proc/{running.pid}/oom_score_adj").write_text(EXPENDABLE)
        return Start()

    def _counted(self, key: Key) -> bool:
        """Count a start of this attempt before it happens, on the medium; False where there were enough."""
        kept = self._folder / "starts.json"
        try:
            known = json.loads(kept.read_bytes())
            starts = int(known["starts"]) if known["of"] == list(key) else 0
        except (OSError, ValueError, TypeError, KeyError):
            starts = 0
        if starts >= STARTS:
            return False
        guard.write_file(kept, json.dumps({"of": list(key), "starts": starts + 1}).encode())
        return True

    def _room(self) -> bool:
        """Half of the reserve: the live release writes too, and a shadow is not ended for that at once."""
        return shutil.disk_usage(self._folder.parent).free >= self._reserve_bytes // 2

    def _hush(self) -> None:
        """Stop it from outside; what it showed so far is told once more."""
        self._run = replace(self._run, last=True) if self._run else None
        self._stop()

    def _stop(self) -> None:
        if self._application is None and not self._folder.is_dir():
            return
        self._made().stop()
        shutil.rmtree(self._folder / "data", ignore_errors=True)

    def _alive(self) -> bool:
        return self._application is not None and self._application.running() is not None

    def _made(self) -> Application:
        """Made when it is first needed: it takes a port."""
        if self._application is None:
            self._application = Application(
                self._folder, self._slots, self._env, log_limit_bytes=self._log_limit_bytes, frames=self._frames
            )
        return self._application

    def _figures(self, application: ApplicationControl) -> tuple[Figures | None, Mapping[str, float]]:
        port = application.endpoint().get("metrics_port")
        try:
            series = scrape.metrics(f"http://127.0.0.1:{port}/metrics", SCRAPE_S)
        except SurefootError:
            return None, {}
        return comparison.figures_of(series), {s.name: s.value for s in series if s.name in OWN and not s.labels}


def step(control: ShadowControl | None, slots: Slots, record: Record) -> e.Event | plan.Waits:
    """One look at the shadow of an attempt, as what it means for the attempt."""
    wish, slot = record.wish, record.slot
    assert wish is not None  # the machine orders this where a release is staged
    assert slot is not None
    manifest = slots.installed(slot)
    if control is None or wish.shadow is None or manifest is None or manifest.application is None:
        return e.StepFailed(Outcome.REFUSED, "shadow_unmeasured", "This component cannot run beside another release.")
    if not manifest.application.shadow:
        message = f"Release {manifest.version} does not say that it knows what a shadow is."
        return e.StepFailed(Outcome.REFUSED, "shadow_unaware", message)
    match control.step((wish.assignment, record.attempt), wish.shadow, slot, manifest):
        case Over(message, None):
            return e.Shadowed(message)
        case Over(message, reason):
            return e.StepFailed(Outcome.FAILED, reason or "", message)
        case Start():
            return plan.Waits("starts beside the live release")
        case GoOn(why):
            return plan.Waits(why)


def renewed(bench: Bench, control: ShadowControl | None, record: Record) -> None:
    """An order waits for its turn: what was looked at for the one before it counts no more, nor does it run on."""
    bench.forget("shadow")
    if control is not None and (record.wish is None or record.wish.shadow is None):
        bench.submit("quiet", Lane.APP, control.stop)


def available_ratio() -> float:
    """Share of the node's memory that can still be given; 1 where the kernel does not say."""
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) / int(lines["MemTotal"].split()[0])
    except (OSError, KeyError, ValueError, IndexError, ZeroDivisionError):
        return 1.0
