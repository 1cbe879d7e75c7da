"""The agent's side of the privileged half: the same ports as the direct adapters, each call one request.

Promises: reads of what lies openly in the component's folder stay here; everything that changes something, and every
look at another user's process, is asked for. The trial lock is held by the other side on this thread's connection: a
connection that is lost under it ends the step with `helper_unreachable`, never goes on without it. A helper that is
being restarted is waited for.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from surefoot_agent.guard import AppSpec
from surefoot_agent.ports import BootTrial, Capabilities, Running
from surefoot_agent.privileged.talk import (
    REPLY_BYTES,
    BootFacts,
    Gone,
    Reply,
    Request,
    Verb,
    Wire,
)
from surefoot_agent.trial import Trial, TrialFile, Verdict
from surefoot_agent.trust import FAMILIES
from surefoot_shared import wire
from surefoot_shared.errors import Conflict, InstallFailed, NotFound, SurefootError, Unreachable
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName, SlotState

CONNECT_S = 20.0
"""A helper that died is started again within seconds."""
ANSWER_S = 660.0
"""The longest request but for those of data: an application that takes its whole stop_s twice."""
BUDGET_S, LOCK_WAIT_S = 86_400.0, 3600.0
"""What the other side lets itself be told; what its own look at the data takes longer, it adds itself."""
RETRY_S = 0.2
LANGUAGE: Mapping[str, type[SurefootError]] = {
    **FAMILIES,
    Conflict.__name__: Conflict,
    Unreachable.__name__: Unreachable,
    NotFound.__name__: NotFound,
}


class Line:
    """Connections to the helper, one for each thread, as the lock belongs to one. `component` is whom it is about."""

    def __init__(self, path: Path, component: str, connect_s: float = CONNECT_S) -> None:
        self._path, self.component, self._connect_s = path, component, connect_s
        self._mine = threading.local()

    def ask(self, verb: Verb, frames: Sequence[bytes] = (), wait_s: float = ANSWER_S, **more: object) -> Reply:
        """One request; raises what the other side answered, or InstallFailed(helper_unreachable)."""
        request = Request(verb, self.component, **more)  # type: ignore[arg-type]  # checked by Request itself
        try:
            return self._once(request, frames, wait_s)
        except Gone as gone:
            self._drop()
            if self.holds:
                raise unreachable(gone) from gone
        try:
            return self._once(request, frames, wait_s)  # an idle connection was closed, or the helper restarted
        except Gone as gone:
            self._drop()
            raise unreachable(gone) from gone

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the trial lock on this thread's connection; nested holds are one."""
        if self.holds:
            self._mine.depth += 1
            try:
                yield
            finally:
                self._mine.depth -= 1
            return
        self.ask(Verb.LOCK)
        self._mine.depth = 1
        try:
            yield
        finally:
            self._mine.depth = 0
            with contextlib.suppress(Gone, SurefootError):  # a lost connection has let go of it
                if getattr(self._mine, "wire", None) is not None:
                    self._once(Request(Verb.UNLOCK, self.component), ())

    @property
    def holds(self) -> bool:
        return bool(getattr(self._mine, "depth", 0))

    def wire(self) -> Wire:
        """This thread's connection, made where there is none."""
        found: Wire | None = getattr(self._mine, "wire", None)
        if found is None:
            found = self._mine.wire = Wire(self._connected())
        return found

    def _once(self, request: Request, frames: Sequence[bytes], wait_s: float = ANSWER_S) -> Reply:
        there = self.wire()
        self._mine.socket.settimeout(wait_s)
        there.say(request)
        for frame in frames:
            there.send(frame)
        return self.answer()

    def answer(self) -> Reply:
        return unfailed(wire.decode(Reply, self.wire().receive(REPLY_BYTES), REPLY_BYTES))

    def drop(self) -> None:
        self._drop()

    def _drop(self) -> None:
        connection: socket.socket | None = getattr(self._mine, "socket", None)
        if connection is not None:
            connection.close()
        self._mine.wire = self._mine.socket = None

    def _connected(self) -> socket.socket:
        if self.holds:
            raise Gone("the connection that held the lock is lost")
        until_s = time.monotonic() + self._connect_s
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(ANSWER_S)
            try:
                connection.connect(str(self._path))
            except OSError as error:
                connection.close()
                if time.monotonic() >= until_s:
                    raise unreachable(error) from error
                time.sleep(RETRY_S)
            else:
                self._mine.socket = connection
                return connection


def unfailed(reply: Reply) -> Reply:
    """Return the answer, or raise what the other side said instead."""
    if failure := reply.failure:
        raise LANGUAGE.get(failure.family, InstallFailed)(failure.kind, failure.message, failure.hint)
    return reply


def unreachable(error: Exception) -> InstallFailed:
    """What a step says that is to be done once more."""
    return InstallFailed("helper_unreachable", f"The privileged half does not answer: {error}.")


class PrivilegedBoot:
    """BootControl port."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._capabilities: Capabilities | None = None

    def current(self) -> SlotName:
        return _shown(self._facts(), "current")

    def primary(self) -> SlotName:
        return _shown(self._facts(), "primary")

    def set_primary(self, slot: SlotName) -> None:
        self._line.ask(Verb.SET_PRIMARY, slot=slot)

    def state(self, slot: SlotName) -> SlotState:
        return self._facts().states[slot.value]

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        self._line.ask(Verb.SET_STATE, slot=slot, state=state)

    def arm_trial(self, slot: SlotName) -> None:
        self._line.ask(Verb.ARM_SLOT, slot=slot)

    def trial(self) -> BootTrial:
        return self._facts().trial

    def commit(self, slot: SlotName) -> None:
        self._line.ask(Verb.COMMIT_SLOT, slot=slot)

    def capabilities(self) -> Capabilities:
        if self._capabilities is None:
            self._capabilities = self._facts().capabilities
        return self._capabilities

    def _facts(self) -> BootFacts:
        facts = self._line.ask(Verb.BOOT).boot
        if facts is None:
            raise InstallFailed("helper_unreachable", "The privileged half said nothing of boot control.")
        return facts


def _shown(facts: BootFacts, name: str) -> SlotName:
    found: SlotName | None = getattr(facts, name)
    if found is None:
        failure = facts.error
        message = failure.message if failure else "Boot control shows neither slot."
        raise InstallFailed(failure.kind if failure else "switch_had_no_effect", message)
    return found


class PrivilegedTrials(TrialFile):
    """The trial file: read here, written there. The way back is what the other side knows, not what is passed."""

    def __init__(self, component_dir: Path, line: Line) -> None:
        self._folder, self._line = component_dir, line

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._line.lock():
            yield

    def arm(self, trial: Trial) -> Trial:
        held = self._line.ask(
            Verb.ARM,
            slot=SlotName(trial.slot),
            assignment=trial.assignment,
            attempt=trial.attempt,
            budget_s=min(trial.budget_s, BUDGET_S),
            lock_wait_s=min(trial.lock_wait_s, LOCK_WAIT_S),
            max_starts=trial.max_starts,
            set=trial.set,
        ).trial
        if held is None:
            raise InstallFailed("helper_unreachable", "The privileged half did not say what is armed.")
        return held

    def decide(self, assignment: str, attempt: int, verdict: Verdict, reason: str | None = None) -> Trial | None:
        return self._line.ask(
            Verb.DECIDE, assignment=assignment, attempt=attempt, verdict=verdict, reason=reason or ""
        ).trial

    def finish(self, assignment: str, attempt: int) -> None:
        self._line.ask(Verb.FINISH, assignment=assignment, attempt=attempt)


class Processes(tuple[int, ...]):
    """The application's processes, with a witness of what they hold open: another user's are closed to us."""

    _witness: Callable[[int], bool]

    def __new__(cls, pids: Iterable[int], witness: Callable[[int], bool]) -> Processes:
        made = super().__new__(cls, pids)
        made._witness = witness
        return made

    def listens(self, port: int) -> bool:
        return self._witness(port)


class PrivilegedApplication:
    """ApplicationControl port."""

    def __init__(self, component_dir: Path, line: Line) -> None:
        self._folder, self._line = component_dir, line

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        running = self._line.ask(Verb.START, slot=slot).running
        if running is None:
            raise InstallFailed("boot_failed", "The application was started and is not there.")
        return running

    def stop(self) -> None:
        self._line.ask(Verb.STOP)

    def running(self) -> Running | None:
        return self._line.ask(Verb.RUNNING).running

    def tend(self) -> None:
        self._line.ask(Verb.TEND)

    def spec(self, slot: SlotName, manifest: Manifest) -> AppSpec | None:
        """Only the shape: what the guard would start is made by the side that starts it."""
        return AppSpec(slot.value, (), "", {}, os.devnull)

    def log_tail(self, lines: int = 40) -> str:
        return self._line.ask(Verb.LOG, number=lines).text

    def endpoint(self) -> Mapping[str, str]:
        """The port as the other side keeps it, beside the slots."""
        try:
            return {"metrics_port": (self._folder / "metrics_port").read_text().strip()}
        except OSError:
            return {"metrics_port": "0"}

    def pids(self) -> Sequence[int]:
        return Processes(self._line.ask(Verb.PIDS).pids, self.listens)

    def listens(self, port: int) -> bool:
        """Say whether one of the application's processes listens there, which only its own user and root can see."""
        return self._line.ask(Verb.LISTENS, number=port).yes
