"""A simulated device: the real agent core on simulated hands, stepped from one event to the next.

Promises: runner, component, attempt, machine, reconcile, journal, probation, trust and guard are the agent's own
modules; only slots, bootloader, application, line and clock are played. While nothing is under way the device is not
stepped once a second but when something can happen, as one that sleeps deeply; its timers then ring late by that much.
Refuses to know a server: it speaks through its link alone.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from surefoot_agent.desk import Desk, Rules
from surefoot_agent.journal import Journal, open_journal
from surefoot_agent.record import Record
from surefoot_agent.reset_cause import Cause, Origin
from surefoot_agent.runner import Item, Runner
from surefoot_shared.identity import seal
from surefoot_shared.messages import Sealed
from surefoot_shared.release import Manifest, digest_of, note_of
from surefoot_shared.seals import SealKind
from surefoot_shared.status import AFTER_ARMED, AttemptState, SlotName
from surefoot_shared.trust.floors import FloorStore
from surefoot_simulators.device import guard
from surefoot_simulators.device.application import system_folder, write_command_line
from surefoot_simulators.device.birth import Around, Birth
from surefoot_simulators.device.board import Board, End, Ended
from surefoot_simulators.device.boot import Kind, RootBoot
from surefoot_simulators.device.journal import trapped
from surefoot_simulators.device.lanes import SleepingLanes
from surefoot_simulators.device.link import SimLink
from surefoot_simulators.device.part import Part
from surefoot_simulators.device.trust import InProcessTrust

STEP_S = 2.0
"""Shortest step of a device at work, as of a busy board; an agent looks eight times as often in probation."""
FETCH_STEP_S = 10.0
"""Step while bytes come in; the download itself wakes the device."""
QUIET = frozenset({AttemptState.IDLE, AttemptState.STAGED, AttemptState.RESCUE})
AWAITED_S = 5.0
"""Step while something said is not acknowledged."""
GUARD_S = 0.5
"""After its deadline the guard looks."""
AGENT_RESTART_S = 5.0
NONCES = 4


class Node:
    """What outlives an agent: board, slots, bootloader, line, files. One agent after the other runs on it."""

    def __init__(self, birth: Birth, folder: Path, around: Around, roots: Mapping[str, bytes]) -> None:
        """`roots` are the bootstrap roots by repository; the folder is made."""
        self.birth, self._around, self._folder = birth, around, folder
        self._system = system_folder(folder / "system")
        for name, raw in roots.items():
            (folder / "trust/bootstrap").mkdir(parents=True, exist_ok=True)
            (folder / "trust/bootstrap" / f"{name}.root.json").write_bytes(raw)
        self.board = Board(birth.name, around.now, around.started_at)
        self.link = SimLink(birth.name, around.broker, around.later, around.chance(birth.name, "link"))
        self.lanes = self._new_lanes()
        self.parts = {name: self._part(name) for name in (birth.component, *birth.beside)}
        self.first = next(iter(self.parts.values()))
        self.slots, self.boot, self.application = self.first.slots, self.first.boot, self.first.application
        self.downloader = self.first.downloader
        """Those of its first component, which most devices have alone."""
        self.board.entered = self._entered
        self.runner: Runner | None = None
        self.journal: Journal | None = None
        self.origin = Origin(self.board.boot_id(), Cause.UNEXPLAINED)
        self.dead = False
        self.steps = 0
        self._instances = 0
        self._nonces: list[str] = []
        self._wakes, self._life = 0, 0
        self._offline = False
        self._rand = around.chance(birth.name, "agent")

    # --- life ---------------------------------------------------------------------------------------------------------

    def provision(self, component: str, manifest: Manifest, raw: bytes) -> None:
        """Put the first release of a component in place, as a factory does."""
        self.parts[component].provision(manifest, raw, self._around.blobs)
        FloorStore(self._folder / "trust").committed(note_of(manifest), digest_of(raw))

    @property
    def on(self) -> bool:
        """Whether it was ever switched on; before that nothing runs that could come to an end."""
        return self._instances > 0

    def start(self) -> None:
        """The board is up: an agent begins on it; raises RuntimeError where one is at work already."""
        if self.dead:
            return
        if self.runner is not None:
            raise RuntimeError(f"{self.birth.name} has an agent already: two would share one journal")
        self._life += 1
        self._instances += 1
        self._around.speaks(self)
        instance = f"{self.birth.name}-agent-{self._instances}"
        stream = f"{self.birth.name}-journal"
        self.journal = trapped(open_journal(self._folder / "journal.db", lambda: stream), self.board)
        self.lanes = self._new_lanes()
        try:
            first, *others = self._desks(instance)
            self.runner = Runner(first, self.lanes, self._link_of, self._rand.random, others)
            self.runner.start()
        except Ended as ended:
            self.end(ended.end)
            return
        self.link.begin(self._heard, instance)
        self.stir()

    def end(self, end: End) -> None:
        """The machine, or the agent alone, goes down; what it was doing is cut off where it was."""
        self.lanes.end()
        self._life += 1
        self.runner = None
        if self.journal is not None:
            self.journal.close()
        self.link.stop(goodbye=end.cause is Cause.CLEAN_RESTART)
        self.dead = self.dead or end.for_good
        if end.agent_only:
            self._after(AGENT_RESTART_S, self.start)
        else:
            self._power_off(end)
        self._around.stirred(self)

    def stop_agent(self) -> None:
        """The agent is gone and does not come back by itself; application and guard live on."""
        self.lanes.end()
        self.runner = None
        self.link.stop()
        self._watch_over()
        self._around.stirred(self)

    def stir(self) -> None:
        """Handle what is queued and due, then say when to look again."""
        if self.runner is None:
            return
        self.steps += 1
        self._around.speaks(self)
        try:
            self.runner.drain()
            wait_s = self.runner.tick()
            self.runner.drain()
        except Ended as ended:
            self.end(ended.end)
            return
        self._plan(wait_s)
        self._watch_over()
        self._around.stirred(self)

    # --- what is seen -------------------------------------------------------------------------------------------------

    @property
    def state(self) -> AttemptState:
        """Of its attempt, as it was stored last; of several components that of the one furthest on its way."""
        return max((part.state for part in self.parts.values()), key=_haste)

    def versions(self) -> tuple[str, ...]:
        """What runs of its other components, "" where nothing does."""
        here = self.board.up and not self.dead
        return tuple((part.application.version() or "") if here else "" for part in self._others())

    def version(self) -> str | None:
        return self.application.version() if self.board.up and not self.dead else None

    def slot(self) -> SlotName | None:
        return self.application.slot() if self.board.up and not self.dead else None

    def bootable(self) -> bool:
        """Whether the next start would enter whole releases: what a brick is not."""
        return all(self._is_bootable(part) for part in self.parts.values())

    def told_events(self) -> set[int]:
        """Numbers of the events that the journal ever gave out and that the server has acknowledged."""
        if self.journal is None:
            return set()
        with closing(sqlite3.connect(self._folder / "journal.db")) as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
            waiting = {int(seq) for (seq,) in db.execute("SELECT seq FROM outbox")}
        return set(range(1, (int(row[0]) if row else 0) + 1)) - waiting

    # --- inside -------------------------------------------------------------------------------------------------------

    def _power_off(self, end: End) -> None:
        self.board.up = False
        for part in self.parts.values():
            part.lose()
        if not end.for_good:
            self._around.later(end.off_s + 20.0, lambda: self._power_on(end.cause))

    def _power_on(self, cause: Cause) -> None:
        if self.board.up or self.dead:
            return
        if isinstance(self.boot, RootBoot):
            cause = self._enter(cause)
        self.board.start()
        self.origin = Origin(self.board.boot_id(), cause)
        for part in self.parts.values():
            part.lose()  # an application in folders is started by the agent, and by nobody before it
            part.guarded_at = None
        if self.first.is_root:
            write_command_line(self._system, self.boot.current())
            self._live(self.first)
        self.start()

    def _enter(self, cause: Cause) -> Cause:
        """The bootloader picks a slot; one that never comes up ends in a watchdog reset, until no try is left."""
        assert isinstance(self.boot, RootBoot)
        enter = self.boot.lose_power if cause is Cause.POWER_CUT else self.boot.restart
        slot = enter()
        for _ in range(10):
            manifest = self.slots.installed(slot)
            looping = manifest is not None and self._around.conduct(self.birth, manifest.version).boot_loop
            if not looping:
                return cause
            self.board.boots += 1
            cause, slot = Cause.WATCHDOG, self.boot.restart()
        return cause

    def _live(self, part: Part) -> None:
        """What runs from now on has plans of its own for this device."""
        conduct, boots = part.application.conduct(), self.board.boots
        self._set_offline(any(each.application.conduct().offline for each in self.parts.values()))
        plans: tuple[tuple[float | None, Callable[[], None]], ...] = (
            (conduct.panic_after_s, lambda: self.end(End(Cause.PANIC))),
            (conduct.dead_after_s, lambda: self.end(End(Cause.POWER_CUT, for_good=True))),
            (conduct.hang_after_s, self.stop_agent),
            (conduct.crash_after_s, self.stir),
        )
        version = part.application.version()
        for after_s, act in plans:
            if after_s is not None:
                then = lambda act=act: self._if_still(part, boots, version, act)  # noqa: E731
                self._around.later(after_s, then)

    def _if_still(self, part: Part, boots: int, version: str | None, act: Callable[[], None]) -> None:
        """In the same boot, with the same release: an agent that was restarted meanwhile changes nothing."""
        application = part.application
        same = application.version() == version or application.conduct().crash_after_s is not None
        if self.board.boots == boots and self.board.up and same:
            act()

    def _set_offline(self, offline: bool) -> None:
        if offline != self._offline:
            self._offline = offline
            (self.link.cut if offline else self.link.mend)()

    def _entered(self, component: str, state: AttemptState) -> None:
        self.parts[component].state = state
        self._around.stirred(self)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        life = self._life

        def then() -> None:
            if self._life == life:
                act()

        self._around.later(seconds, then)

    def _new_lanes(self) -> SleepingLanes:
        return SleepingLanes(self._sleep, self.stir, lambda ended: self.end(ended.end))

    def _sleep(self, seconds: float, wake: Callable[[], None]) -> None:
        def then() -> None:
            self._around.speaks(self)
            wake()

        self._around.later(seconds, then)

    def _link_of(self, post: Callable[[Item], None]) -> SimLink:
        return self.link

    def _heard(self, item: Item) -> None:
        if self.runner is not None:
            self.runner.post(item)
            self.stir()

    def _plan(self, wait_s: float) -> None:
        """Wake at the next event of the agent's; in quiet states only now and then."""
        self._wakes += 1
        number = self._wakes
        self._around.later(self._step_s(wait_s), lambda: self._wake(number))

    def _wake(self, number: int) -> None:
        if number == self._wakes:
            self.stir()

    def _step_s(self, wait_s: float) -> float:
        assert self.runner is not None
        assert self.journal is not None
        state = self.state
        if state in QUIET:
            if any(_is_shadowed(record) for record in self.runner.records):
                return max(wait_s, STEP_S)
            awaited = self.link.connected and not self.journal.is_empty()
            return AWAITED_S if awaited else self.birth.quiet_s
        return max(wait_s, FETCH_STEP_S if state is AttemptState.DOWNLOADING else STEP_S)

    def _watch_over(self) -> None:
        """Each guard is a process of its own: it looks when its time has come, whatever became of the agent."""
        if not self.board.up:
            return
        for part in self.parts.values():
            if part.state in QUIET and self.runner is not None:
                continue
            deadline = part.deadline_s()
            if deadline is not None and deadline != part.guarded_at:
                part.guarded_at = deadline
                self._guard_later(part, max(0.0, deadline - self.board.monotonic()) + GUARD_S)

    def _guard_later(self, part: Part, seconds: float) -> None:
        boots = self.board.boots
        self._around.later(seconds, lambda: self._guard_looks(part, boots))

    def _guard_looks(self, part: Part, boots: int) -> None:
        if not self.board.up or self.board.boots != boots or self.dead:
            return
        asked: list[bool] = []
        went = guard.look(part.folder, self.board, part.application.bring_back, lambda: asked.append(True))
        if asked:
            self.end(End(Cause.WATCHDOG))
            return
        if went and self.runner is None:
            self._after(AGENT_RESTART_S, self.start)  # the old release's supervisor starts the agent that came with it
        self.stir()
        self._around.stirred(self)

    def _desks(self, instance: str) -> list[Desk]:
        """One for each component; what is the device's is the same on each."""
        birth, nonces = self.birth, self._around.chance(instance, "nonce")
        trust = InProcessTrust(self._folder / "trust", birth.name, birth.hw, self.board.utc, lambda: self._nonces)
        return [self._desk(part, instance, trust, lambda: self._nonce(nonces)) for part in self.parts.values()]

    def _desk(self, part: Part, instance: str, trust: InProcessTrust, new_id: Callable[[], str]) -> Desk:
        assert self.journal is not None
        birth = self.birth
        return Desk(
            rules=Rules(
                birth.name,
                birth.hw,
                part.name,
                birth.agent,
                telemetry_interval_s=birth.telemetry_s,
                heartbeat_interval_s=birth.heartbeat_s,
            ),
            hands=part.hands(self.origin, self._system),
            trust=trust,
            telemetry=part,
            journal=self.journal,
            seal=self._seal,
            new_id=new_id,
            instance=instance,
            doctor=lambda: "a simulated device",
            svn_floor=lambda: 0,
        )

    def _nonce(self, rand: random.Random) -> str:
        nonce = f"{rand.getrandbits(128):032x}"
        self._nonces = [*self._nonces, nonce][-NONCES:]
        return nonce

    def _seal(self, kind: SealKind, payload: bytes) -> Sealed:
        return seal(kind, payload, self.birth.key)

    def _part(self, name: str) -> Part:
        boot = self.birth.boot if name == self.birth.component else Kind.LINK
        nap = lambda s: self.lanes.nap(s)  # noqa: E731 -- lanes come and go
        part = Part(name, boot, self._folder, self.birth, self.board, self._around, self.link, nap)
        part.application.started = lambda: self._live(part)
        return part

    def _others(self) -> list[Part]:
        return list(self.parts.values())[1:]

    def _is_bootable(self, part: Part) -> bool:
        manifest = part.slots.installed(part.boot.primary())
        return manifest is not None and not (
            part.is_root and self._around.conduct(self.birth, manifest.version).boot_loop
        )


def _is_shadowed(record: Record) -> bool:
    """Whether its release runs beside the live one, or is about to."""
    return record.state is AttemptState.STAGED and record.wish is not None and record.wish.shadow is not None


def _haste(state: AttemptState) -> int:
    """How much a state asks for being looked at."""
    return (state is not AttemptState.IDLE) + (state not in QUIET) + (state in AFTER_ARMED)
