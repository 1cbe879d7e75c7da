"""One component of a simulated device: its slots, bootloader, application, trial record, and the guard that watches it.

Promises: outlives every agent; what the agent gets of it are the ports that it has on a real device. Refuses to know
the other components: a set of them is the agent's own matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot_agent.boot.fake import FakeBoot
from surefoot_agent.clock import stamp
from surefoot_agent.data import DataFolder
from surefoot_agent.reset_cause import Origin
from surefoot_agent.shadow import Shadow
from surefoot_agent.sight import Hands
from surefoot_shared.messages import Sample
from surefoot_shared.release import Manifest
from surefoot_shared.status import Ability, AttemptState, SlotName
from surefoot_simulators.device import guard
from surefoot_simulators.device.application import Machine, Process
from surefoot_simulators.device.birth import Around, Birth
from surefoot_simulators.device.board import Board
from surefoot_simulators.device.boot import Kind, make_boot
from surefoot_simulators.device.downloads import SimDownloader
from surefoot_simulators.device.health import SimHealth
from surefoot_simulators.device.journal import TrappedTrials
from surefoot_simulators.device.pair import SimPair
from surefoot_simulators.device.slots import SimSlots

if TYPE_CHECKING:
    from surefoot_simulators.device.link import SimLink


class Part:
    """`name` is the component; a bootloader of a root restarts the machine."""

    def __init__(
        self,
        name: str,
        boot: Kind,
        folder: Path,
        birth: Birth,
        board: Board,
        around: Around,
        link: SimLink,
        nap: Callable[[float], None],
    ) -> None:
        """`folder` is the device's; `nap` lets a download sleep."""
        self.name, self._birth, self._board, self._link = name, birth, board, link
        self._device_dir, self.folder = folder, folder / name
        self.folder.mkdir(parents=True)
        self.slots = SimSlots(self.folder, board, around.size_of)
        self.boot = make_boot(boot, self.folder, board)
        conduct = lambda version: around.conduct(birth, version)  # noqa: E731
        self.application: Process | Machine
        if isinstance(self.boot, FakeBoot):
            self.application = Machine(board, self.slots, self.boot, conduct)
        else:
            self.application = Process(board, self.slots, self.boot, conduct)
        self.trials = TrappedTrials(self.folder, board)
        self.downloader = SimDownloader(board, link, self.slots, around.blobs, nap, around.size_of)
        figures = lambda conduct, up_s: around.figures(birth, conduct, up_s)  # noqa: E731
        self.pair = SimPair(board, self.application, conduct, figures)
        self.state = AttemptState.IDLE
        """Of its attempt, as it was stored last."""
        self.guarded_at: float | None = None
        """The deadline for which the guard is waiting."""

    @property
    def is_root(self) -> bool:
        return isinstance(self.application, Machine)

    def provision(self, manifest: Manifest, raw: bytes, blobs: Mapping[str, bytes]) -> None:
        """Put the first release into slot A, as a factory does."""
        self.slots.begin(SlotName.A, manifest, raw)
        for piece in self.slots.missing(SlotName.A):
            content = blobs[piece.sha256]
            self.slots.write(SlotName.A, piece, lambda offset, content=content: [content[offset:]])  # type: ignore[misc]
        self.slots.seal(SlotName.A)
        self.boot.commit(SlotName.A)

    def lose(self) -> None:
        """The power is gone, and with it all that ran."""
        self.application.lose()
        self.pair.stop()

    def deadline_s(self) -> float | None:
        return guard.deadline_s(self.folder)

    def sample(self, component: str, digest: str | None, slot: SlotName | None) -> Sequence[Sample]:
        """Telemetry port: what the application shows, with the digest and the slot that it runs from."""
        if digest is None:
            return ()
        at = stamp(self._board.utc())
        return tuple(Sample(at, n, v, component, digest, slot) for n, v in self.pair.measured().items())

    def hands(self, origin: Origin, system: Path) -> Hands:
        """The ports, for an agent that begins."""
        birth, root = self._birth, self.is_root
        health = SimHealth(self._board, self.application, self.slots, self.pair.measured, lambda: self._link.connected)
        return Hands(
            component_dir=self.folder,
            boot=self.boot,
            slots=self.slots,
            downloader=self.downloader,
            application=self.application,
            health=health,
            trials=self.trials,
            clock=self._board,
            reports_dir=self._device_dir / "reports",
            guard_budget_s=birth.guard_budget_s,
            max_starts=birth.max_starts,
            reboots=root,
            origin=origin,
            data=DataFolder(self.folder),
            system=system,
            abilities=frozenset() if root else frozenset({Ability.RECREATE, Ability.SHADOW}),
            shadow=None if root else Shadow(self.folder, self.slots, self.pair, self._board.monotonic),
        )
