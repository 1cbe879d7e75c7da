"""The hands of the device, and what they show in any state: what runs, from where, proved how; what the slots hold.

Promises: a digest is claimed only of a live process that /proc shows to run from a sealed slot; what cannot be read is
claimed by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_agent import carry, migrations
from surefoot_agent.boot import adopt
from surefoot_agent.carry import Carrier
from surefoot_agent.clock import Clock
from surefoot_agent.data import DataFolder
from surefoot_agent.migrations import Migration
from surefoot_agent.ports import (
    ApplicationControl,
    BootControl,
    Downloader,
    Health,
    Running,
    ShadowControl,
    Slots,
    Trust,
)
from surefoot_agent.record import Committed
from surefoot_agent.reset_cause import Origin
from surefoot_agent.trial import TrialFile
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import RunningProof, SlotReport
from surefoot_shared.release import note_of
from surefoot_shared.status import Ability, SlotName, SlotState


@dataclass(frozen=True)
class Hands:
    """The ports through which effects act, and the two limits of a trial."""

    component_dir: Path
    boot: BootControl
    slots: Slots
    downloader: Downloader
    application: ApplicationControl
    health: Health
    trials: TrialFile
    clock: Clock
    reports_dir: Path
    guard_budget_s: float
    max_starts: int
    reboots: bool = False
    """A start of this component is a start of the machine: in a set it comes first, for the others start with it."""
    origin: Origin = Origin()  # noqa: RUF009 -- frozen, so one default serves all
    """Why this boot began: judged once per process."""
    data: DataFolder = field(kw_only=True)
    migrate: Callable[[Migration], None] = field(default=migrations.run, kw_only=True)
    carrier: Carrier = field(default=carry, kw_only=True)
    """Who carries the data where a release wants them; the module itself where this process may touch them."""
    system: Path = field(default=Path("/"), kw_only=True)
    """Where this machine's programs and /proc are."""
    abilities: frozenset[Ability] = field(default=frozenset(), kw_only=True)
    """What is announced to the server; nothing of it is done without."""
    shadow: ShadowControl | None = field(default=None, kw_only=True)


def seen(hands: Hands) -> RunningProof | None:
    """Return what runs now, from whichever slot; None where nothing is proved to run from a whole slot."""
    running = hands.application.running()
    digest = hands.slots.digest(running.slot) if running else None
    if running is None or digest is None:
        return None
    return proof_of(running, digest, 0.0, _state(hands, running.slot) is SlotState.GOOD)


def settled(hands: Hands) -> RunningProof | None:
    """Return what runs committed: from the current slot, which is marked good."""
    proof = seen(hands)
    try:
        return proof if proof and proof.marked_good and proof.slot is hands.boot.current() else None
    except SurefootError:
        return None  # boot control shows neither slot


def start_id(hands: Hands) -> str | None:
    """Which start of the application runs, whatever it is of."""
    running = hands.application.running()
    return running.start_id if running else None


def slot_reports(hands: Hands) -> Mapping[SlotName, SlotReport]:
    reports = {}
    for slot in SlotName:
        manifest, state = hands.slots.installed(slot), _state(hands, slot)
        release = manifest.version if manifest else _of_before(hands, slot) if state is SlotState.GOOD else None
        reports[slot] = SlotReport(state, release, hands.slots.digest(slot) if manifest else None)
    return reports


def adopted(hands: Hands) -> bool:
    """Whether another agent ran this component before ours."""
    return adopt.is_done(hands.component_dir)


def _of_before(hands: Hands, slot: SlotName) -> str | None:
    """What an agent that was here before ours called it."""
    return adopt.releases(hands.component_dir).get(slot)


def _state(hands: Hands, slot: SlotName) -> SlotState:
    """Return the mark of a slot; where boot control does not answer, the device still says what it can."""
    try:
        return hands.boot.state(slot)
    except SurefootError:
        return SlotState.BAD


def committed(hands: Hands) -> Committed | None:
    """Return the good release of the current slot, as a new journal finds it."""
    current = hands.boot.current()
    manifest, digest = hands.slots.installed(current), hands.slots.digest(current)
    if manifest is None or digest is None or hands.boot.state(current) is not SlotState.GOOD:
        return None
    return Committed(digest, manifest.version, current)


def raise_floors(hands: Hands, trust: Trust) -> None:
    """Let trust know of the committed release; done again at each start, as a death may have come before it."""
    known, current = committed(hands), hands.boot.current()
    manifest = hands.slots.installed(current)
    if known is not None and manifest is not None:
        trust.committed(note_of(manifest), known.digest)


def proof_of(running: Running, digest: str, soak_s: float, marked_good: bool = True) -> RunningProof:
    return RunningProof(
        digest, running.slot, running.pid, running.executable, running.directory, marked_good, round(soak_s, 3)
    )
