"""Shadow: the staged release runs from its slot beside the live one, which keeps its slot, its data and its port.

Promises: nothing is switched and nothing of the live release is touched; a shadow is started a few times at most, so
that one that takes the machine down with it is left alone in the end; once an attempt was ended here its shadow never
starts again, whatever was still under way. An agent that starts anew stops what it finds and begins the comparison
anew; where none starts the guard stops it. Refuses a release whose publisher does not say that it knows what a shadow
is. How the two are started and looked at is a port: see pair.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from surefoot_agent import comparison, durable, guard, plan
from surefoot_agent import events as e
from surefoot_agent.bench import Bench
from surefoot_agent.comparison import Comparison, Figures, GoOn, Look, Over, Start
from surefoot_agent.lanes import Lane
from surefoot_agent.ports import ShadowControl, Slots
from surefoot_agent.record import Record
from surefoot_shared.messages import Sample, ShadowTerms
from surefoot_shared.release import Manifest
from surefoot_shared.status import Outcome, SlotName

STARTS = 3
"""Of one attempt: agents restart for good reasons, but what brings the machine down would be started for ever."""
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


class Pair(Protocol):
    """The live release and its shadow: how the second is started beside the first, and what both show."""

    def start(self, slot: SlotName, manifest: Manifest) -> None: ...
    def stop(self) -> None: ...
    def alive(self) -> bool: ...
    def live(self) -> Figures | None: ...
    def shadow(self) -> tuple[Figures | None, Mapping[str, float]]:
        """What it says of itself, None where it does not answer; and its own metrics by name."""

    def room(self) -> bool:
        """Whether the data partition has what the live release needs of it."""

    def memory_ratio(self) -> float: ...


class Shadow:
    """ShadowControl port of a component whose slots are folders."""

    def __init__(self, component_dir: Path, slots: Slots, pair: Pair, clock: Callable[[], float]) -> None:
        self._folder, self._slots, self._pair, self._clock = component_dir / guard.SHADOW, slots, pair, clock
        self._lock = threading.Lock()
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
                self._pair.stop()
                fresh = Comparison(terms, manifest.probation.startup_s)
                run = _Run(key, slot, self._slots.digest(slot) or "", fresh, {})
            own, look = self._look(run)
            known, follows = comparison.looked(run.known, look)
            self._run = run = replace(run, known=known, own=own or run.own)
            if isinstance(follows, Start):
                follows = self._begin(key, slot, manifest)
            if isinstance(follows, Over):
                self._run = replace(run, over=follows, last=True)
                self._pair.stop()
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
        pair = self._pair
        if run.known.began_s is not None:
            shadow, own = pair.shadow()
        return own, Look(self._clock(), pair.live(), shadow, pair.alive(), pair.memory_ratio(), pair.room())

    def _begin(self, key: Key, slot: SlotName, manifest: Manifest) -> Start | Over:
        if not self._counted(key):
            message = f"It was started {STARTS} times, and each time the agent or the machine ended before it."
            return Over(message, "shadow_harmed")
        self._pair.start(slot, manifest)
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
        durable.make_folder(self._folder)
        guard.write_file(kept, json.dumps({"of": list(key), "starts": starts + 1}).encode())
        return True

    def _hush(self) -> None:
        """Stop it from outside; what it showed so far is told once more."""
        self._run = replace(self._run, last=True) if self._run else None
        self._pair.stop()


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
