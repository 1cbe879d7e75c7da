"""One component in the hands of the privileged half: the direct adapters, each behind its rule.

Promises: every act is looked at by `gate` first; a manifest is written only once it is proved; bytes go only where
the proved manifest says, and count only with their hash. What the guard will start or run is made here, from this side
alone, never taken from the agent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import guard, processes
from surefoot_agent.clock import Clock
from surefoot_agent.ports import ApplicationControl, BootControl, BootTrial, Piece, Slots
from surefoot_agent.privileged import gate
from surefoot_agent.privileged.talk import CHUNK_BYTES, BootFacts, Gone, Reply, Request, Verb, Wire
from surefoot_agent.privileged.vault import Chain, Vault
from surefoot_agent.trial import Fallback, Trial, TrialFile, Verdict
from surefoot_agent.trust_talk import failure_of
from surefoot_agent.way_back import way_back
from surefoot_shared.errors import Conflict, InstallFailed, SurefootError, Unreachable, UntrustedRelease
from surefoot_shared.release import Manifest, digest_of, note_of
from surefoot_shared.status import SlotName, SlotState

log = logging.getLogger(__name__)
DRAIN_BYTES = 1024 * CHUNK_BYTES
"""What a client may still be sending of a file that was refused; more than that ends the connection."""
WRITER_S = 5.0
"""For a writer whose connection was lost to notice it."""
LOG_LINES = 5000
QUIET = frozenset({Verb.BOOT, Verb.RUNNING, Verb.TEND, Verb.LOG, Verb.PIDS, Verb.LISTENS, Verb.LOCK, Verb.UNLOCK})
"""Asked again and again, and changing nothing that is news."""


@dataclass(frozen=True)
class Estate:
    """The direct adapters of one component, and how the machine is restarted."""

    folder: Path
    boot: BootControl
    slots: Slots
    application: ApplicationControl
    trials: TrialFile
    clock: Clock
    restart: Callable[[], None]


class Steward:
    def __init__(self, component: str, estate: Estate, vault: Vault) -> None:
        self._component, self._estate, self._vault = component, estate, vault
        self._proved: dict[str, tuple[Manifest, bytes]] = {}
        self._installer = threading.Lock()
        self._acts: dict[Verb, Callable[[Request, Wire], Reply]] = {
            Verb.BEGIN: self._begin,
            Verb.REUSE: self._reuse,
            Verb.WRITE: self._write,
            Verb.SEAL: self._seal,
            Verb.CLEAR: self._clear,
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
            Verb.RESTART: self._restart,
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
            failed = InstallFailed("slot_write_failed", f"The privileged half could not do it: {error}.")
            return Reply(failure=failure_of(failed))
        if request.verb not in QUIET:
            log.info("done verb=%s component=%s slot=%s", request.verb.value, self._component, request.slot.value)
        return reply

    def prove(self, chain: Chain, raw: bytes, assignment: str) -> Reply:
        """Have the manifest proved; the last few are remembered for `begin`."""
        try:
            manifest = self._vault.prove(self._component, chain, raw, assignment, self._estate.clock.utc())
        except SurefootError as error:
            log.warning("not_proved component=%s error=%s", self._component, error)
            return Reply(failure=failure_of(error))
        self._proved = {digest_of(raw): (manifest, raw)}
        return Reply(yes=True)

    # --- the slot -----------------------------------------------------------------------------------------------------

    def _begin(self, request: Request, _: Wire) -> Reply:
        proved = self._proved.get(request.digest)
        if proved is None:
            raise UntrustedRelease("not_released", "This manifest was not proved here.")
        manifest, raw = proved
        with self._writing(request.slot):
            self._estate.slots.room(manifest.installed_size_bytes, manifest.inodes, request.slot)
            self._estate.boot.set_state(request.slot, SlotState.BAD)  # before its first byte changes
            self._estate.slots.begin(request.slot, manifest, raw)
        return Reply(yes=True)

    def _reuse(self, request: Request, _: Wire) -> Reply:
        with self._writing(request.slot):
            return Reply(pieces=tuple(self._estate.slots.reuse(request.slot, _piece(request))))

    def _write(self, request: Request, stream: Wire) -> Reply:
        def chunks(offset: int) -> Iterable[bytes]:
            stream.say(Reply(offset=offset))
            yield from _drained(stream)

        with self._writing(request.slot):
            self._estate.slots.write(request.slot, _piece(request), chunks)
        return Reply(yes=True)

    def _seal(self, request: Request, _: Wire) -> Reply:
        with self._writing(request.slot):
            self._estate.slots.seal(request.slot)
        return Reply(yes=True)

    def _clear(self, request: Request, _: Wire) -> Reply:
        with self._writing(request.slot):
            self._estate.slots.clear(request.slot)
        return Reply(yes=True)

    @contextmanager
    def _writing(self, slot: SlotName) -> Iterator[None]:
        """One writer at a time, and never into a slot that matters. Long: so not under the trial lock."""
        if not self._installer.acquire(timeout=WRITER_S):
            raise Unreachable("busy", "Another connection writes this component.")
        try:
            gate.may_write(self._view(), slot)
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
        with self._estate.trials.lock():
            gate.may_mark(self._view(), request.slot, request.state)
            self._estate.boot.set_state(request.slot, request.state)
        return Reply(yes=True)

    def _arm_slot(self, request: Request, _: Wire) -> Reply:
        with self._estate.trials.lock():
            gate.may_arm(self._view(), request.slot)
            self._estate.boot.arm_trial(request.slot)
        return Reply(yes=True)

    def _set_primary(self, request: Request, _: Wire) -> Reply:
        with self._estate.trials.lock():
            gate.may_enter(self._view(), request.slot)
            self._estate.boot.set_primary(request.slot)
        return Reply(yes=True)

    def _commit_slot(self, request: Request, _: Wire) -> Reply:
        with self._estate.trials.lock():
            gate.may_commit(self._view(), request.slot)
            self._estate.boot.commit(request.slot)
            manifest, digest = self._estate.slots.installed(request.slot), self._estate.slots.digest(request.slot)
            if manifest is not None and digest is not None:
                self._vault.committed(note_of(manifest), digest)
        return Reply(yes=True)

    # --- the trial ----------------------------------------------------------------------------------------------------

    def _arm(self, request: Request, _: Wire) -> Reply:
        estate, clock = self._estate, self._estate.clock
        with estate.trials.lock():
            previous = gate.may_begin_trial(self._view(), request.slot)
            old = estate.slots.installed(previous)
            spec = estate.application.spec(previous, old) if old is not None else None
            path = way_back(estate.boot, previous)
            trial = Trial(
                assignment=request.assignment,
                attempt=request.attempt,
                component=self._component,
                slot=request.slot.value,
                previous=previous.value,
                armed_boot_id=clock.boot_id(),
                budget_s=request.budget_s,
                deadline_monotonic=clock.monotonic() + request.budget_s,
                deadline_boot_id=clock.boot_id(),
                max_starts=request.max_starts,
                fallback=Fallback.of(spec) if spec is not None else None,
                starts=0 if path.machine else 1,
                lock_wait_s=request.lock_wait_s,
                set=request.set,
                machine=path.machine,
                back=path.back,
                restart=path.restart,
                previous_mark=path.previous_mark,
            )
            return Reply(trial=estate.trials.arm(trial))

    def _decide(self, request: Request, _: Wire) -> Reply:
        if request.verdict is Verdict.GUARD:
            raise Conflict("conflict", "Only the guard gives the guard's verdict.")
        held = self._estate.trials.decide(request.assignment, request.attempt, request.verdict, request.reason or None)
        return Reply(trial=held)

    def _finish(self, request: Request, _: Wire) -> Reply:
        self._estate.trials.finish(request.assignment, request.attempt)
        return Reply(yes=True)

    # --- the application ----------------------------------------------------------------------------------------------

    def _start(self, request: Request, _: Wire) -> Reply:
        with self._estate.trials.lock():
            gate.may_start(self._view(), request.slot)
            manifest = self._estate.slots.installed(request.slot)
            if manifest is None:
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
        return Reply(pids=tuple(guard.application_pids(self._estate.folder)))

    def _listens(self, request: Request, _: Wire) -> Reply:
        return Reply(yes=processes.listens(request.number, guard.application_pids(self._estate.folder)))

    def _restart(self, request: Request, _: Wire) -> Reply:
        """Only where a trial is to be entered or left by a restart: an agent cannot keep a machine from running."""
        trial = self._estate.trials.read()
        if trial is None or not trial.machine or trial.finished or trial.verdict is Verdict.HEALTHY:
            raise Conflict("conflict", "Nothing is to be entered or left by a restart.")
        self._estate.restart()
        return Reply(yes=True)

    def _view(self) -> gate.View:
        estate = self._estate
        current: SlotName | None = None
        primary: SlotName | None = None
        with suppress(SurefootError):  # boot control shows neither
            current, primary = estate.boot.current(), estate.boot.primary()
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
        )


def _piece(request: Request) -> Piece:
    if request.piece is None:
        raise Conflict("conflict", "No piece is named.")
    return request.piece


def _drained(stream: Wire) -> Iterator[bytes]:
    """The client's frames; where they are not wanted any more, the rest is read and dropped, so the talk goes on."""
    rest = stream.chunks()
    try:
        yield from rest
    except GeneratorExit:
        size = 0
        for chunk in stream.chunks():
            size += len(chunk)
            if size > DRAIN_BYTES:
                raise Gone("the client does not stop sending") from None
        raise
