"""One component in the hands of the privileged half: the direct adapters, each behind its rule.

Promises: every act is looked at by `gate` first; a manifest is written only once it is proved; bytes go only where
the proved manifest says, and count only with their hash. What the guard will start or run is made here, from this side
alone, never taken from the agent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_agent import carry, guard, migrations, processes
from surefoot_agent.clock import Clock
from surefoot_agent.data import DataFolder
from surefoot_agent.finding import Finding
from surefoot_agent.migrations import Migration
from surefoot_agent.ports import ApplicationControl, BootControl, BootTrial, Piece, Slots
from surefoot_agent.privileged import gate
from surefoot_agent.privileged.data import DataVerbs
from surefoot_agent.privileged.talk import CHUNK_BYTES, BootFacts, Incoming, Reply, Request, Verb, Wire
from surefoot_agent.privileged.vault import Chain, Vault
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.slots.kind import refuse_other_kind
from surefoot_agent.trial import Fallback, Trial, TrialFile, Verdict
from surefoot_agent.trust_talk import failure_of
from surefoot_agent.way_back import way_back
from surefoot_shared.errors import Conflict, InstallFailed, SurefootError, Unreachable, UntrustedRelease
from surefoot_shared.release import Manifest, SlotKind, digest_of, note_of
from surefoot_shared.status import SlotName, SlotState

log = logging.getLogger(__name__)
WRITER_S = 5.0
"""For a writer whose connection was lost to notice it."""
LOG_LINES = 5000
QUIET = frozenset(
    {
        Verb.BOOT,
        Verb.RUNNING,
        Verb.TEND,
        Verb.LOG,
        Verb.PIDS,
        Verb.LISTENS,
        Verb.ROOM,
        Verb.READ,
        Verb.EXAMINE,
        Verb.DATA,
    }
)
"""Asked again and again, and changing nothing that is news."""
LEAVE_S = 5.0
"""How long a leave to write serves for more pieces: a bootloader is asked by a process of its own each time."""


@dataclass(frozen=True)
class Estate:
    """The direct adapters of one component, and how the machine is restarted."""

    folder: Path
    boot: BootControl
    slots: Slots
    application: ApplicationControl
    trials: TrialFile
    clock: Clock
    pids: Callable[[], Sequence[int]]
    """Every process that belongs to it."""
    examine: Callable[[], tuple[Finding, ...]] = tuple
    """What `check` says that only this side can see."""
    data: DataFolder = field(kw_only=True)
    migrate: Callable[[Migration], None] = field(default=migrations.run, kw_only=True)

    @property
    def component_dir(self) -> Path:
        return self.folder


class Steward:
    def __init__(self, component: str, estate: Estate, vault: Vault) -> None:
        self._component, self._estate, self._vault = component, estate, vault
        self._proved: dict[str, tuple[Manifest, bytes]] = {}
        self._installer = threading.Lock()
        self._begun: set[SlotName] = set()
        self._told: tuple[Verb, SlotName] | None = None
        self._leave: dict[SlotName, float] = {}
        """Until when more pieces may be written, unless something else is done in between."""
        self._acts: dict[Verb, Callable[[Request, Wire], Reply]] = {
            Verb.ROOM: self._room,
            Verb.BEGIN: self._begin,
            Verb.REUSE: self._reuse,
            Verb.WRITE: self._write,
            Verb.SEAL: self._seal,
            Verb.CLEAR: self._clear,
            Verb.READ: self._read,
            Verb.BOOT: self._boot,
            Verb.SET_STATE: self._set_state,
            Verb.ARM_SLOT: self._arm_slot,
            Verb.SET_PRIMARY: self._set_primary,
            Verb.COMMIT_SLOT: self._commit_slot,
            Verb.ARM: self._arm,
            Verb.DECIDE: self._decide,
            Verb.FINISH: self._finish,
            Verb.START: self._start,
            Verb.STOP: self._stop,
            Verb.RUNNING: self._running,
            Verb.TEND: self._tend,
            Verb.LOG: self._log,
            Verb.PIDS: self._pids,
            Verb.LISTENS: self._listens,
            Verb.EXAMINE: self._examine,
            **DataVerbs(estate, estate.trials, self._view, self._alone).acts(),
        }

    @property
    def folder(self) -> Path:
        return self._estate.folder

    def do(self, request: Request, stream: Wire) -> Reply:
        """Carry out one request; what is refused or fails is an answer too. Raises Gone."""
        try:
            reply = self._acts[request.verb](request, stream)
        except SurefootError as error:
            log.warning("refused verb=%s component=%s error=%s", request.verb.value, self._component, error)
            return Reply(failure=failure_of(error))
        except OSError as error:
            return _undone(error)
        if request.verb not in QUIET:
            again = request.verb is Verb.COMMIT_SLOT and self._told == (request.verb, request.slot)
            level = logging.DEBUG if again else logging.INFO  # each minute, as long as a release runs
            log.log(level, "done verb=%s component=%s slot=%s", request.verb.value, self._component, request.slot.value)
            self._told = (request.verb, request.slot)
        return reply

    def prove(self, chain: Chain, raw: bytes, assignment: str) -> Reply:
        """Have the manifest proved; the last few are remembered for `begin`."""
        try:
            manifest = self._vault.prove(self._component, chain, raw, assignment, self._estate.clock.utc())
        except SurefootError as error:
            log.warning("not_proved component=%s error=%s", self._component, error)
            return Reply(failure=failure_of(error))
        except OSError as error:  # what it proved is written down, and its disk may be full
            return _undone(error)
        self._proved = {digest_of(raw): (manifest, raw)}
        return Reply(yes=True)

    # --- the slot -----------------------------------------------------------------------------------------------------

    def _room(self, request: Request, _: Wire) -> Reply:
        self._estate.slots.room(request.size_bytes, request.inodes, request.slot)
        return Reply(yes=True)

    def _begin(self, request: Request, _: Wire) -> Reply:
        proved = self._proved.get(request.digest)
        if proved is None:
            raise UntrustedRelease("not_released", "This manifest was not proved here.")
        manifest, raw = proved
        with self._writing(request.slot):
            refuse_other_kind(self._estate.slots.kind, manifest.slot)
            carry.refuse_older(self._estate.data.kept(), manifest.counter, manifest.version)
            self._estate.slots.room(manifest.installed_size_bytes, manifest.inodes, request.slot)
            self._estate.boot.set_state(request.slot, SlotState.BAD)  # before its first byte changes
            self._estate.slots.begin(request.slot, manifest, raw)
            self._begun.add(request.slot)
        return Reply(yes=True)

    def _reuse(self, request: Request, _: Wire) -> Reply:
        with self._writing(request.slot, more=True):
            return Reply(pieces=tuple(self._estate.slots.reuse(request.slot, _piece(request))))

    def _write(self, request: Request, stream: Wire) -> Reply:
        incoming = Incoming(stream)
        with self._writing(request.slot, more=True):
            try:
                self._estate.slots.write(request.slot, _piece(request), incoming)
            finally:
                incoming.finish()
        return Reply(yes=True)

    def _seal(self, request: Request, _: Wire) -> Reply:
        with self._writing(request.slot):
            self._begun.discard(request.slot)
            self._estate.slots.seal(request.slot)
        return Reply(yes=True)

    def _clear(self, request: Request, _: Wire) -> Reply:
        with self._writing(request.slot):
            self._begun.discard(request.slot)
            self._estate.boot.set_state(request.slot, SlotState.BAD)  # a bootloader goes to what is called good
            self._estate.slots.clear(request.slot)
        return Reply(yes=True)

    def _read(self, request: Request, stream: Wire) -> Reply:
        """Part of an image, as bases of patches need it: only blocks that are as the release keys signed them."""
        if not isinstance(self._estate.slots, ImageSlots):
            raise Conflict("conflict", "What lies in folders is read there.")
        content = self._estate.slots.signed_part(request.slot, request.begin, min(request.size_bytes, CHUNK_BYTES))
        stream.say(Reply(size_bytes=len(content)))
        stream.send(content)
        return Reply(yes=True)

    @contextmanager
    def _writing(self, slot: SlotName, more: bool = False) -> Iterator[None]:
        """One writer at a time, and never into a slot that matters. Long: so not under the trial lock.

        `more`: a piece of what was begun. An image is begun by the process that fills it: where that was another one,
        the whole step is to be done again, which compares what is there.
        """
        with self._alone(more):
            if more and slot not in self._begun and self._estate.slots.kind is SlotKind.IMAGE:
                raise InstallFailed("helper_unreachable", "The privileged half was started anew since.")
            if not more or time.monotonic() >= self._leave.get(slot, 0.0):
                gate.may_write(self._view(), slot)
                self._leave[slot] = time.monotonic() + LEAVE_S
            yield

    @contextmanager
    def _alone(self, keeps_leave: bool = False) -> Iterator[None]:
        """Nothing is armed, entered or committed while somebody writes, and the other way round."""
        if not self._installer.acquire(timeout=WRITER_S):
            raise Unreachable("busy", "Another connection writes this component.")
        try:
            if not keeps_leave:
                self._leave.clear()
            yield
        finally:
            self._installer.release()

    # --- boot control -------------------------------------------------------------------------------------------------

    def _boot(self, request: Request, _: Wire) -> Reply:
        boot, error = self._estate.boot, None
        current = primary = None
        trial = BootTrial(known=False)
        try:
            current, primary, trial = boot.current(), boot.primary(), boot.trial()
        except SurefootError as failed:
            error = failure_of(failed)
        states = {slot.value: boot.state(slot) for slot in SlotName}
        return Reply(boot=BootFacts(current, primary, states, trial, boot.capabilities(), error))

    def _set_state(self, request: Request, _: Wire) -> Reply:
        with self._alone(), self._estate.trials.lock():
            gate.may_mark(self._view(), request.slot, request.state)
            self._estate.boot.set_state(request.slot, request.state)
        return Reply(yes=True)

    def _arm_slot(self, request: Request, _: Wire) -> Reply:
        with self._alone(), self._estate.trials.lock():
            gate.may_arm(self._view(), request.slot)
            self._estate.boot.arm_trial(request.slot)
        return Reply(yes=True)

    def _set_primary(self, request: Request, _: Wire) -> Reply:
        with self._alone(), self._estate.trials.lock():
            gate.may_enter(self._view(), request.slot)
            self._estate.boot.set_primary(request.slot)
        return Reply(yes=True)

    def _commit_slot(self, request: Request, _: Wire) -> Reply:
        with self._alone(), self._estate.trials.lock():
            gate.may_commit(self._view(), request.slot)
            self._estate.boot.commit(request.slot)
            manifest, digest = self._estate.slots.installed(request.slot), self._estate.slots.digest(request.slot)
            if manifest is not None and digest is not None:
                self._vault.committed(note_of(manifest), digest)
        return Reply(yes=True)

    # --- the trial ----------------------------------------------------------------------------------------------------

    def _arm(self, request: Request, _: Wire) -> Reply:
        estate, clock = self._estate, self._estate.clock
        with self._alone(), estate.trials.lock():
            previous = gate.may_begin_trial(self._view(), request.slot)
            old = estate.slots.installed(previous)
            spec = estate.application.spec(previous, old) if old is not None else None
            path = way_back(estate.boot, previous)
            data_s = carry.seconds(estate, carry.Move(request.assignment, request.attempt, request.slot, previous))
            trial = Trial(
                assignment=request.assignment,
                attempt=request.attempt,
                component=self._component,
                slot=request.slot.value,
                previous=previous.value,
                armed_boot_id=clock.boot_id(),
                budget_s=(budget_s := max(request.budget_s, data_s)),
                deadline_monotonic=clock.monotonic() + budget_s,
                deadline_boot_id=clock.boot_id(),
                max_starts=request.max_starts,
                fallback=Fallback.of(spec) if spec is not None else None,
                starts=0 if path.machine else 1,
                lock_wait_s=max(request.lock_wait_s, guard.LOCK_WAIT_S + data_s),
                set=request.set,
                machine=path.machine,
                back=path.back,
                restart=path.restart,
                previous_mark=path.previous_mark,
            )
            held = estate.trials.arm(trial)
            if request.slot is not estate.boot.current() and estate.boot.state(request.slot) is SlotState.GOOD:
                estate.boot.set_state(request.slot, SlotState.BAD)  # of an earlier life: on trial it has proved nothing
            return Reply(trial=held)

    def _decide(self, request: Request, _: Wire) -> Reply:
        if request.verdict is Verdict.GUARD:
            raise Conflict("conflict", "Only the guard gives the guard's verdict.")
        trials, whose = self._estate.trials, (request.assignment, request.attempt)
        with trials.lock():
            trial = trials.of(*whose)
            if trial is not None and request.verdict is Verdict.HEALTHY:
                gate.may_find_healthy(self._view(), trial)
            return Reply(trial=trials.decide(*whose, request.verdict, request.reason or None))

    def _finish(self, request: Request, _: Wire) -> Reply:
        self._estate.trials.finish(request.assignment, request.attempt)
        return Reply(yes=True)

    # --- the application ----------------------------------------------------------------------------------------------

    def _start(self, request: Request, _: Wire) -> Reply:
        with self._estate.trials.lock():
            gate.may_start(self._view(), request.slot)
            manifest = self._estate.slots.installed(request.slot)
            if manifest is None and not self._restarts:  # a root that another agent put there is a way back too
                raise Conflict("conflict", f"Slot {request.slot.value} holds no whole release.")
            return Reply(running=self._estate.application.start(request.slot, manifest))

    def _stop(self, request: Request, _: Wire) -> Reply:
        self._estate.application.stop()
        return Reply(yes=True)

    def _running(self, request: Request, _: Wire) -> Reply:
        return Reply(running=self._estate.application.running())

    def _tend(self, request: Request, _: Wire) -> Reply:
        self._estate.application.tend()
        return Reply(yes=True)

    def _log(self, request: Request, _: Wire) -> Reply:
        text = self._estate.application.log_tail(min(max(1, request.number), LOG_LINES))
        return Reply(text=text.encode()[-CHUNK_BYTES // 16 :].decode(errors="replace"))

    def _pids(self, request: Request, _: Wire) -> Reply:
        return Reply(pids=tuple(self._estate.pids()))

    def _listens(self, request: Request, _: Wire) -> Reply:
        return Reply(yes=processes.listens(request.number, self._estate.pids()))

    def _examine(self, request: Request, _: Wire) -> Reply:
        return Reply(findings=self._estate.examine())

    @property
    def _restarts(self) -> bool:
        return self._estate.boot.capabilities().needs_restart

    def _view(self) -> gate.View:
        estate = self._estate
        current: SlotName | None = None
        primary: SlotName | None = None
        tried: SlotName | None = None
        with suppress(SurefootError):  # boot control shows none of them
            current, primary, tried = estate.boot.current(), estate.boot.primary(), estate.boot.trial().slot
        running = estate.application.running()
        return gate.View(
            current=current,
            primary=primary,
            running=running.slot if running else None,
            trial=estate.trials.read(),
            installed=estate.slots.installed,
            digest=estate.slots.digest,
            state=estate.boot.state,
            may_run=self._vault.may_run,
            refuse_revoked=self._vault.refuse_revoked,
            restarts=self._restarts,
            tried=tried,
            kept=estate.data.kept(),
        )


def _piece(request: Request) -> Piece:
    if request.piece is None:
        raise Conflict("conflict", "No piece is named.")
    return request.piece


def _undone(error: OSError) -> Reply:
    return Reply(
        failure=failure_of(InstallFailed("slot_write_failed", f"The privileged half could not do it: {error}."))
    )
