"""A device in two halves whose agent dies alone: the helper lives on at its socket, with its lock and all it remembers.

Real are the helper's server on its socket, slots, link, trial, data and verification; simulated is what `fakes` does.
The agent's points are its own: each commit of its journal, and each request before it is sent, once it is sent and not
answered, and once it is answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.data import DataFolder
from surefoot_agent.ports import Bytes, Piece
from surefoot_agent.privileged.carrier import PrivilegedCarrier, PrivilegedData
from surefoot_agent.privileged.proxies import (
    ANSWER_S,
    Line,
    PrivilegedApplication,
    PrivilegedBoot,
    PrivilegedTrials,
)
from surefoot_agent.privileged.serve import Server
from surefoot_agent.privileged.slots import Evidence, PrivilegedSlots
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.talk import Gone, Reply, Request, Verb
from surefoot_agent.sight import Hands
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.trial import TrialFile
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState
from tests.agent.fakes import Cut, Device, World
from tests.crash.split import StillDate
from tests.crash.split_trees import published, vault_of


class MortalLine(Line):
    """The dead say no more: neither is a lock given back, nor a connection kept."""

    def __init__(self, path: Path, world: World, component: str = "app") -> None:
        super().__init__(path, component)
        self._world, self._dead, self._verb = world, False, ""

    def die(self) -> None:
        self._dead = True
        self.drop()

    def trip(self, when: str) -> None:
        try:
            self._world.trip(when)
        except Cut:
            self.die()
            raise

    def ask(self, verb: Verb, frames: Sequence[bytes] = (), wait_s: float = ANSWER_S, **more: object) -> Reply:
        self._verb = verb.value
        self.trip(f"before {verb.value}")
        reply = super().ask(verb, frames, wait_s, **more)
        self.trip(f"after {verb.value}")
        return reply

    def _once(self, request: Request, frames: Sequence[bytes], wait_s: float = ANSWER_S) -> Reply:
        if self._dead:
            raise Gone("dead")
        return super()._once(request, frames, wait_s)

    def answer(self) -> Reply:
        self.trip(f"sent {self._verb}")
        return super().answer()


class MortalSlots(PrivilegedSlots):
    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        super().write(slot, piece, lambda offset: self._halves(source(offset)))

    def _halves(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        assert isinstance(self._line, MortalLine)
        for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            self._line.trip("half of write")
            yield chunk[len(chunk) // 2 :]


class LoneDevice(Device):
    """1.0 runs on data of format 1; `sign` what is assigned before an agent starts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.part,) = self.parts.values()
        self.evidence, self._socket = folder / "trust", folder / "helper.sock"
        place, still = self.component_dir, World()
        self.part.application._world = self.part.migrations._world = still  # points of the helper's are no points here
        self.own = DirectorySlots(place), SymlinkBoot(place), TrialFile(place), DataFolder(place)
        slots, boot, trials, data = self.own
        (place / "data" / "format").write_text("1")
        vault = vault_of(folder / "vault", self.part)
        application, clock = self.part.application, StillDate(self.world)
        estate = Estate(place, boot, slots, application, trials, clock, tuple, data=data, migrate=self.part.migrations)  # type: ignore[arg-type]
        self.helper = Server(self._socket, -1, {"app": Steward("app", estate, vault)})
        self.helper.start()
        application.start(SlotName.A, self.manifests["1.0"])
        self.line = MortalLine(self._socket, self.world)

    def sign(self) -> None:
        published(self.part, self.evidence)

    def hands(self, component: str = "") -> Hands:
        self.line.die()
        self.line = line = MortalLine(self._socket, self.world)
        place = self.component_dir
        slots = MortalSlots(place, line, Evidence(self.evidence), 0, 0)
        self.part.downloader._slots = slots
        return replace(
            super().hands(component),
            boot=PrivilegedBoot(line),
            slots=slots,
            trials=PrivilegedTrials(place, line),
            application=PrivilegedApplication(place, line),
            data=PrivilegedData(place, line),
            carrier=PrivilegedCarrier(line),
        )

    def run(self) -> bool:
        """Play an agent until its attempt ended; False where it died before."""
        try:
            self.run_until_idle(self.start_agent())
        except Cut:
            self.line.die()
            return False
        return True

    def broken_promises(self, allowed: frozenset[Outcome]) -> list[str]:
        slots, boot, _, data = self.own
        told = [(assignment, outcome) for assignment, outcome, _ in self.server.outcomes()]
        committed = told == [("a-1", Outcome.COMMITTED)]
        wanted, current = "1.1" if committed else "1.0", boot.current()
        running, installed, kept = self.part.application.process, slots.installed(current), data.kept()
        changes = self.manifests["1.1"].data is not None
        form = (self.component_dir / "data" / "format").read_text()
        trial = guard.load_trial(self.component_dir)
        checks = {
            f"the server was told {told}": len(told) == 1 and told[0][0] == "a-1" and told[0][1] in allowed,
            f"{installed and installed.version} boots": installed is not None and installed.version == wanted,
            f"{running} runs": running is not None and running.slot is current,
            f"what runs is {boot.state(current)}": boot.state(current) is SlotState.GOOD,
            "what failed is still good": committed or boot.state(current.other) is not SlotState.GOOD,
            f"the guard would still act on {trial}": trial is None or not guard.must_act(trial, 1e12),
            f"the data are of form {form}": form == ("2 for good" if committed and changes else "1"),
            f"the data are away: {kept}": kept is None or kept.phase.value not in ("kept", "going_back"),
            "it is not idle": self.start_agent().record.state is AttemptState.IDLE,
        }
        return [what for what, holds in checks.items() if not holds]

    def close(self) -> None:
        self.line.die()
        self.helper.stop()
        if self.journal is not None:
            self.journal.close()  # type: ignore[operator]
