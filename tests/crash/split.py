"""A root filesystem of a device in two halves, on the volatile medium: agent and privileged half end with the world.

As in `root`, with the agent's hands taken away: it has the proxies, and what writes is the helper's own steward with
its vault. Both live on one thread, so the points have one order; the socket between them writes nothing, and is left
out.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from surefoot_agent import guard
from surefoot_agent.data import DataFolder
from surefoot_agent.ports import Bytes, Piece
from surefoot_agent.privileged import steward
from surefoot_agent.privileged.chain_child import answer
from surefoot_agent.privileged.proxies import Line, PrivilegedBoot, PrivilegedTrials, unfailed
from surefoot_agent.privileged.root import PrivilegedRoot
from surefoot_agent.privileged.slots import Evidence, PrivilegedImages
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.talk import Reply, Request, Verb, Wire
from surefoot_agent.privileged.vault import Chain, Owner, Vault
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.trial import TrialFile
from surefoot_agent.way_back import way_back
from surefoot_shared import wire
from surefoot_shared.release import manifest_bytes, note_of
from surefoot_shared.status import SlotName
from surefoot_shared.trust.repository import release_target
from tests.agent.fakes import Part
from tests.crash.loaders import Loader
from tests.crash.node import Node
from tests.crash.processes import Table
from tests.crash.root import VERSIONS, Downloads, Root, RootNode, RootTable, made
from tests.shared.trust.simulator import DEVICE, NOW, FleetSimulator


@functools.lru_cache
def fleet() -> FleetSimulator:
    """Whoever signs both releases; its keys are made once."""
    signed = FleetSimulator()
    for version in VERSIONS:
        raw = manifest_bytes(made(version, "app").manifest)
        target = release_target(raw)
        signed.listed[target.path] = target
        signed.manifests["app", version] = raw
    signed.sign_role()
    return signed


class Bytestream(Wire):
    """What `write` reads its bytes from: the agent's own source, from the offset that the helper asks for."""

    def __init__(self, source: Bytes | None) -> None:
        self._source, self._offset = source, 0

    def say(self, value: Request | Reply) -> None:
        assert isinstance(value, Reply)
        assert value.offset is not None
        self._offset = value.offset

    def chunks(self) -> Iterator[bytes]:
        assert self._source is not None
        return iter(self._source(self._offset))


class InThread(Line):
    """Each request and reply goes through its bytes, and no socket."""

    def __init__(self, there: Steward) -> None:
        self._there, self.component, self._mine = there, "app", threading.local()
        self.source: Bytes | None = None

    def ask(self, verb: Verb, frames: Sequence[bytes] = (), wait_s: float = 0.0, **more: object) -> Reply:
        request = wire.decode(Request, wire.encode(Request(verb, self.component, **more)))  # type: ignore[arg-type]
        if verb is Verb.PROVE:
            manifest, targets, role, *roots = frames
            said = self._there.prove(Chain(tuple(roots), targets, role), manifest, request.assignment)
        else:
            said = self._there.do(request, Bytestream(self.source))
        return unfailed(wire.decode(Reply, wire.encode(said)))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        with guard.trial_lock(self._there.folder):
            yield


class Streams:
    """What is written goes to the steward straight."""

    _line: Line

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        assert isinstance(self._line, InThread)
        self._line.source = source
        self._line.ask(Verb.WRITE, slot=slot, piece=piece)


class Images(Streams, PrivilegedImages):
    """Slots port."""


class StillDate:
    """The node's monotonic clock and boot, and the date on which its releases were signed."""

    def __init__(self, clock: Any) -> None:
        self.monotonic, self.boot_id, self.source = clock.monotonic, clock.boot_id, getattr(clock, "source", str)

    def utc(self) -> datetime:
        return NOW


class SplitTable(RootTable):
    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        def ours(boot: Any, previous: SlotName) -> Any:
            return way_back(boot, previous, self.node.system)

        with super().active(), mock.patch.object(steward, "way_back", ours):
            yield


class SplitRootNode(RootNode):
    """The helper is started anew with the agent: what either remembers is on the medium."""

    def make_table(self) -> Table:
        table = SplitTable(self.world, self.medium)
        table.node = self
        return table

    def equip(self, part: Part) -> None:
        self.split = False  # whoever makes the device is no agent
        super().equip(part)
        raw = fleet().manifests["app", "1.0"]
        vault = self._vault()
        vault.set_up(Owner(DEVICE, "x86-box"), fleet().image["1.root.json"].encode())
        vault.committed(note_of(self._releases[0].manifest), self._releases[0].digest)
        assert raw == self._releases[0].raw
        folder = self.system / "trust" / "image"
        (folder / "root_history").mkdir(parents=True)
        (folder / "targets.json").write_text(fleet().image[f"{fleet().version['targets']}.targets.json"])
        (folder / "rel-app.json").write_text(fleet().image[f"{fleet().version['rel-app']}.rel-app.json"])

    def begin(self, part: Part) -> None:
        super().begin(part)
        self.split = True

    def _vault(self) -> Vault:
        return Vault(self.folder / "vault", lambda question: wire.encode(answer(question)))

    def _take_hands(self, part: Part) -> None:
        super()._take_hands(part)
        if not self.split:
            return
        folder = part.component_dir
        slots, boot = ImageSlots(folder, self._devices), self.loader.control(folder)
        root, clock = Root(self, boot, slots, self.system), StillDate(self.world)
        estate = Estate(folder, boot, slots, root, TrialFile(folder), clock, lambda: (), data=DataFolder(folder))
        line = InThread(Steward("app", estate, self._vault()))
        proxies = Images(folder, self._devices, line, Evidence(self.system / "trust"))
        part.slots, part.boot_control = proxies, PrivilegedBoot(line)  # type: ignore[assignment]
        part.downloader = Downloads(proxies, self._releases)  # type: ignore[assignment]
        part.application = PrivilegedRoot(folder, line)  # type: ignore[assignment]
        part.trials = PrivilegedTrials(folder, line)  # type: ignore[assignment]

    def _wrong(self, part: Part, committed: bool) -> list[str]:
        super()._take_hands(part)  # whoever looks at the end asks nobody
        return super()._wrong(part, committed)


def split_node(make_loader: Callable[[Path, Path], Loader]) -> Callable[[Path], Node]:
    return lambda folder: SplitRootNode(folder, make_loader)
