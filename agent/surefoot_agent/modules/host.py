"""Drives one component's Update Module from call to call, and knows after every death where it was.

Promises: each call is recorded before it is made and its end after, so a killed agent or a lost machine goes on where
the table of `flow` says; a payload is entered on trial, then committed or taken back, and `installed` is what the
module itself committed. Going back calls the module's own rollback; where there is none left, or it failed, the payload
of the slot to go back to is installed anew. Refuses to enter a payload that failed on this very attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from surefoot_agent import durable, guard
from surefoot_agent.modules import tree as trees
from surefoot_agent.modules.call import Called, Module
from surefoot_agent.modules.flow import (
    QUERIES,
    Attempt,
    Happened,
    Order,
    Step,
    after,
    answer,
    begin,
    resumed,
)
from surefoot_agent.modules.payload import read_payload
from surefoot_agent.modules.streams import Feed
from surefoot_agent.modules.tree import Device
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed
from surefoot_shared.module import FOLDER, Payload

RECORD = "module"
FORWARD = frozenset(Step) - {
    Step.ASK_ROLLBACK,
    Step.ROLLBACK,
    Step.ASK_ROLLBACK_REBOOT,
    Step.ROLLBACK_REBOOT,
    Step.VERIFY_ROLLBACK_REBOOT,
    Step.FAILURE,
    Step.CLEANUP,
    Step.DONE,
}
"""Steps on the way to a new payload: where it is not wanted any more, they count as failed."""


@dataclass(frozen=True)
class State:
    """The durable record. `entered` counts entries: each is a start of its own, as an application's would be."""

    installed: str = ""
    """Digest of the release whose payload the module committed; empty: none, or nobody can say."""
    name: str = ""
    """Its artifact's name."""
    entered: int = 0
    attempt: Attempt | None = None
    ended: Attempt | None = None
    """The last attempt that failed."""
    v: int = 1


@dataclass(frozen=True)
class Rules:
    """How modules are called on this device."""

    modules: Path
    order: Order
    within_s: float
    """Seconds that all calls of one way, there or back, may take together."""
    restart: Callable[[], None]
    """Restart the machine; does not return before the machine goes down."""
    device: str = ""
    env: Mapping[str, str] | None = None


class Host:
    """The module of one component; not for use from two threads (the trial lock sees to it)."""

    def __init__(self, folder: Path, rules: Rules) -> None:
        self._folder, self._rules = folder, rules
        self._tree = folder.resolve() / "module" / "tree"
        self._until, self._slot = 0.0, folder
        durable.make_folder(folder)

    def state(self) -> State:
        found = guard.load_record(self._folder, RECORD)
        return State() if found is None else wire.from_json(State, dict(found))  # type: ignore[arg-type]

    def runs(self) -> str:
        """Digest of what the device runs now, on trial or for good; empty where a call is in the way or none does."""
        state = self.state()
        if state.attempt is None:
            return state.installed
        return state.attempt.digest if state.attempt.step is Step.VERDICT else ""

    def enter(self, digest: str, slot: Path, proved: bool) -> None:
        """Make the payload of a slot what the device runs; `proved`: commit it at once. Raises InstallFailed."""
        self._until = time.monotonic() + self._rules.within_s
        self._slot = slot
        begun = self.state().attempt
        state = self._settled(digest)
        if begun is not None and begun.digest == digest:
            self._refuse_failed(digest)
        elif state.installed != digest:
            self._start_anew(state)
            trees.lay(self._tree, read_payload(slot), Device(state.name, "", self._rules.device))
            self._save(replace(state, entered=state.entered + 1, attempt=Attempt(digest), ended=None))
            self._drive(Step.VERDICT)
            self._refuse_failed(digest)
        if proved:
            self.commit(digest)

    def commit(self, digest: str) -> None:
        """Let the module commit what is on trial. Raises InstallFailed where it cannot; then it has gone back."""
        attempt = self.state().attempt
        if attempt is None or attempt.digest != digest:
            return
        self._until = time.monotonic() + self._rules.within_s
        attempt = resumed(attempt, self._rules.order)
        self._keep(after(attempt, Happened.OK, self._rules.order) if attempt.step is Step.VERDICT else attempt)
        self._drive(Step.DONE)
        self._refuse_failed(digest)

    def leave(self) -> None:
        """Take back what is on trial: for a device that ran nothing before."""
        self._until = time.monotonic() + self._rules.within_s
        self._settled("")

    def _start_anew(self, state: State) -> None:
        """Restart once where a module that works by restarts left the machine between two states.

        Its rollback may have told the bootloader already, and then it refuses to do anything in what still runs.
        """
        ended = state.ended
        if ended is not None and ended.restarts and not ended.consistent:
            self._save(replace(state, ended=replace(ended, restarts=False)))
            self._rules.restart()

    def _settled(self, digest: str) -> State:
        """Bring an attempt of another payload to its end, and one of this payload as far as its verdict."""
        attempt = self.state().attempt
        if attempt is not None:
            attempt = resumed(attempt, self._rules.order)
            other = attempt.digest != digest
            if other and attempt.step in FORWARD:
                attempt = after(attempt, Happened.FAILED, self._rules.order, "It was taken back.")
            self._keep(attempt)
            self._drive(Step.DONE if other else Step.VERDICT)
        return self.state()

    def _refuse_failed(self, digest: str) -> None:
        ended = self.state().ended
        if ended is not None and ended.digest == digest:
            left = "" if ended.consistent else " Nobody can say in which state the module left the device."
            raise InstallFailed("module_failed", f"{ended.reason or 'The module failed.'}{left}")

    def _drive(self, stop: Step) -> None:
        """Call and record until `stop` or the end."""
        while (attempt := self.state().attempt) is not None and attempt.step is not stop:
            attempt = begin(attempt)
            self._keep(attempt)
            happened, why = self._make(attempt)
            self._keep(after(attempt, happened, self._rules.order, why))

    def _make(self, attempt: Attempt) -> tuple[Happened, str]:
        """Make the one call of a step."""
        step, module = attempt.step, self._module()
        if step in QUERIES:
            return self._answered(module.ask(step.call, self._left()), step.call)
        if step is Step.DOWNLOAD:
            return self._downloaded(module, read_payload(self._slot))
        if step in (Step.REBOOT, Step.ROLLBACK_REBOOT) and attempt.automatic:
            self._rules.restart()
            return Happened.FAILED, "The machine was told to restart and did not."
        called = module.call(step.call, self._left())
        if step is not Step.CLEANUP and self._tree.is_dir():
            trees.sync(self._tree)
        return _ended(called)

    def _downloaded(self, module: Module, payload: Payload) -> tuple[Happened, str]:
        sized = False
        if self._rules.order is Order.V4:
            told, why = self._answered(module.ask("ProvidePayloadFileSizes", self._left()), "ProvidePayloadFileSizes")
            if told is Happened.FAILED:
                return told, why
            sized = told is Happened.YES
        sources = {name: self._slot / FOLDER / name for name in payload.files}
        feed, read = Feed(self._tree, sources, sized), list[bool]()
        feed.remove()
        feed.prepare(ahead=self._rules.order is Order.V3)
        state = "DownloadWithFileSizes" if sized else "Download"
        called = module.call(state, self._left(), lambda process, until: read.append(feed.serve(process, until)))
        feed.remove()
        if called.code == 0 and read == [False]:
            trees.keep_files(self._tree, sources)
        trees.sync(self._tree)
        return _ended(called)

    def _answered(self, called: Called, query: str) -> tuple[Happened, str]:
        told = answer(called.code, called.lines, automatic=query == Step.ASK_REBOOT.call)
        if told is not Happened.FAILED:
            return told, ""
        return told, called.why or f"{query} was answered with {' / '.join(called.lines)[:80]!r}."

    def _module(self) -> Module:
        kind = (self._tree / "header/payload_type").read_text()
        return Module(self._rules.modules / kind, self._tree, self._folder / "app.log", self._rules.env or {})

    def _keep(self, attempt: Attempt) -> None:
        """Record how far it came; an ended attempt says what is installed, and its tree goes."""
        state = self.state()
        if attempt.step is not Step.DONE:
            self._save(replace(state, attempt=attempt))
            return
        if attempt.committed:
            name = (self._tree / "header/artifact_name").read_text()
            self._save(replace(state, installed=attempt.digest, name=name, attempt=None, ended=None))
        else:
            kept = state.installed if attempt.consistent else ""
            self._save(replace(state, installed=kept, attempt=None, ended=attempt))
        trees.remove(self._tree)

    def _save(self, state: State) -> None:
        value = wire.to_json(state)
        assert isinstance(value, dict)
        guard.save_record(self._folder, RECORD, value)

    def _left(self) -> float:
        return max(1.0, self._until - time.monotonic())


def _ended(called: Called) -> tuple[Happened, str]:
    return (Happened.OK, "") if called.code == 0 else (Happened.FAILED, called.why)
