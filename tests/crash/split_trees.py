"""A component of directories of a device in two halves, with data that a release changes, on the volatile medium.

As in `split`: agent and privileged half end with the world, on one thread, and what writes is the helper's own steward.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from surefoot_agent.lanes import Lanes
from surefoot_agent.privileged.carrier import PrivilegedCarrier, PrivilegedData
from surefoot_agent.privileged.chain_child import answer
from surefoot_agent.privileged.proxies import PrivilegedApplication, PrivilegedBoot, PrivilegedTrials
from surefoot_agent.privileged.slots import Evidence, PrivilegedSlots
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.vault import Owner, Vault
from surefoot_agent.runner import Runner
from surefoot_agent.sight import Hands
from surefoot_shared import wire
from surefoot_shared.release import manifest_bytes, note_of
from surefoot_shared.trust.repository import release_target
from tests.agent.fakes import Part
from tests.crash.node import LIMIT_S, Node
from tests.crash.split import InThread, StillDate, Streams
from tests.shared.trust.simulator import DEVICE, FleetSimulator


@functools.lru_cache
def fleet() -> FleetSimulator:
    """Whoever signs the releases of these devices; its keys are made once."""
    return FleetSimulator()


def vault_of(folder: Path, part: Part) -> Vault:
    """One that was set up with the release that runs."""
    vault = Vault(folder, lambda question: wire.encode(answer(question)))
    vault.set_up(Owner(DEVICE, "x86-box"), fleet().image["1.root.json"].encode())
    vault.committed(note_of(part.manifests["1.0"]), part.digest("1.0"))
    return vault


def published(part: Part, evidence: Path) -> None:
    """Sign what the part has, and let the agent have the metadata."""
    signed = fleet()
    targets = [release_target(manifest_bytes(part.manifests[version])) for version in ("1.0", "1.1")]
    if any(signed.listed.get(target.path) != target for target in targets):
        signed.listed.update({target.path: target for target in targets})
        signed.sign_role()
    folder = evidence / "image"
    (folder / "root_history").mkdir(parents=True, exist_ok=True)
    (folder / "targets.json").write_text(signed.image[f"{signed.version['targets']}.targets.json"])
    (folder / "rel-app.json").write_text(signed.image[f"{signed.version['rel-app']}.rel-app.json"])


class Trees(Streams, PrivilegedSlots):
    """Slots port."""


class SplitTreeNode(Node):
    """The helper is started anew with the agent: what either remembers is on the medium."""

    def __init__(self, folder: Path) -> None:
        self.carrier: PrivilegedCarrier | None = None
        self.evidence = folder.with_name(f"{folder.name}.trust")
        super().__init__(folder)

    def equip(self, part: Part) -> None:
        super().equip(part)
        vault_of(self.folder / "vault", part)

    def _vault(self) -> Vault:
        return Vault(self.folder / "vault", lambda question: wire.encode(answer(question)))

    def start_agent(self, lanes: Lanes | None = None) -> Runner:
        (part,) = self.parts.values()
        published(part, self.evidence)
        self._take_hands(part)
        return super().start_agent(lanes)

    def hands(self, component: str = "") -> Hands:
        assert self.carrier is not None
        return replace(super().hands(component), carrier=self.carrier)

    def run(self, cut_at: int = 0, torn: bool = False, limit_s: float = LIMIT_S) -> Runner | None:
        with self._given_back():
            return super().run(cut_at, torn, limit_s)

    def is_idle(self) -> bool:
        with self._given_back():
            return super().is_idle()

    @contextlib.contextmanager
    def _given_back(self) -> Iterator[None]:
        """Whoever looks at the end asks nobody."""
        (part,) = self.parts.values()
        self._own = (part.slots, part.boot_control, part.trials, part.application, part.data)
        try:
            yield
        finally:
            part.slots, part.boot_control, part.trials, part.application, part.data = self._own

    def _take_hands(self, part: Part) -> None:
        slots, boot, trials, application, data = self._own
        folder, clock = part.component_dir, StillDate(self.world)
        estate = Estate(folder, boot, slots, application, trials, clock, lambda: (), data=data, migrate=part.migrations)  # type: ignore[arg-type]
        line = InThread(Steward("app", estate, self._vault()))
        proxies = Trees(folder, line, Evidence(self.evidence), 0, 0)
        part.slots, part.boot_control = proxies, PrivilegedBoot(line)  # type: ignore[assignment]
        part.trials, part.application = PrivilegedTrials(folder, line), PrivilegedApplication(folder, line)  # type: ignore[assignment]
        part.data, part.downloader._slots = PrivilegedData(folder, line), proxies  # type: ignore[assignment]
        self.carrier = PrivilegedCarrier(line)
