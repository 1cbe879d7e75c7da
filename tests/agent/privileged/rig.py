"""A device in two halves in one process: the real helper on a real socket, and the agent's proxies on the other end.

Slots, link, trial file, application and metadata are real; verification runs here instead of in a child, and the clock
stands where the simulated fleet signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from surefoot_agent import guard
from surefoot_agent.application import Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.clock import SystemClock
from surefoot_agent.data import DataFolder
from surefoot_agent.ports import Piece
from surefoot_agent.privileged.carrier import PrivilegedCarrier, PrivilegedData
from surefoot_agent.privileged.chain_child import answer
from surefoot_agent.privileged.proxies import Line, PrivilegedApplication, PrivilegedBoot, PrivilegedTrials
from surefoot_agent.privileged.serve import Server
from surefoot_agent.privileged.slots import Evidence, PrivilegedSlots
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.vault import Owner, Vault
from surefoot_agent.sight import Hands
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.trial import Trial, TrialFile
from surefoot_shared import wire
from surefoot_shared.release import DataHandling, Manifest, digest_of, manifest_bytes, note_of, parse_manifest
from surefoot_shared.status import SlotName, SlotState
from surefoot_shared.trust.repository import release_target
from tests.agent.apps import SLEEPER, until
from tests.agent.trees import install, release
from tests.shared.trust.simulator import DEVICE, HW, NOW, FleetSimulator

A, B = SlotName.A, SlotName.B
NONE: Any = None


class StillClock(SystemClock):
    """The machine's own monotonic clock and boot, and the fleet's date."""

    def utc(self) -> datetime:
        return NOW


class Rig:
    """1.0 runs from slot A, good; `publish` signs more releases, `prepare` fills slot B with one through the helper."""

    def __init__(self, folder: Path) -> None:
        self.fleet, self.folder = FleetSimulator(), folder / "app"
        self.files: dict[str, Mapping[str, bytes]] = {}
        self.raws: dict[str, bytes] = {}
        self.trust = folder / "agent-trust"
        self.vault = Vault(folder / "vault", lambda question: wire.encode(answer(question)))
        self.vault.set_up(Owner(DEVICE, HW), self.fleet.image["1.root.json"].encode())
        self.slots, self.boot = DirectorySlots(self.folder), SymlinkBoot(self.folder)
        self.application = Application(self.folder, self.slots, restart_delay_s=0.01)
        pids = partial(guard.application_pids, self.folder)
        trials = TrialFile(self.folder)
        data, clock = DataFolder(self.folder), StillClock()
        self.estate = Estate(self.folder, self.boot, self.slots, self.application, trials, clock, pids, data=data)
        self.steward = Steward("app", self.estate, self.vault)
        self.server = Server(folder / "helper.sock", -1, {"app": self.steward})
        self.server.start()
        self.line = Line(folder / "helper.sock", "app", connect_s=2.0)
        self.provision(self.publish("1.0", 100))

    def proxies(self) -> tuple[PrivilegedBoot, PrivilegedSlots, PrivilegedTrials, PrivilegedApplication]:
        slots = PrivilegedSlots(self.folder, self.line, Evidence(self.trust), 0, 0)
        application = PrivilegedApplication(self.folder, self.line)
        return PrivilegedBoot(self.line), slots, PrivilegedTrials(self.folder, self.line), application

    def hands(self) -> Hands:
        """What an honest agent of two halves has; nothing is downloaded or judged with them."""
        boot, slots, trials, application = self.proxies()
        return Hands(
            component_dir=self.folder,
            boot=boot,
            slots=slots,
            downloader=NONE,
            application=application,
            health=NONE,
            trials=trials,
            clock=StillClock(),
            reports_dir=self.folder.parent / "reports",
            guard_budget_s=60.0,
            max_starts=3,
            data=PrivilegedData(self.folder, self.line),
            carrier=PrivilegedCarrier(self.line),
        )

    def publish(
        self,
        version: str,
        counter: int,
        svn: int = 0,
        hw: tuple[str, ...] = (HW,),
        data: DataHandling | None = None,
        files: Mapping[str, bytes] = {},
    ) -> Manifest:
        """Sign a release and let the agent have its metadata, as a bundle would. `files`: more programs in it."""
        manifest = self.unsigned(version, counter, svn, hw, data, files)
        raw = self.raws[version]
        target = release_target(raw)
        self.fleet.listed[target.path] = target
        self.fleet.manifests["app", version] = raw
        self.sign()
        return manifest

    def unsigned(
        self,
        version: str,
        counter: int,
        svn: int = 0,
        hw: tuple[str, ...] = (HW,),
        data: DataHandling | None = None,
        files: Mapping[str, bytes] = {},
    ) -> Manifest:
        """A release that nobody signed."""
        self.files[version] = {"run": SLEEPER, "version": version.encode(), **files}
        plain = release(self.files[version], version, ("run", *files), ("run",))
        raw = manifest_bytes(
            Manifest(
                component="app",
                version=version,
                counter=counter,
                svn=svn,
                hw=hw,
                files=plain.files,
                application=plain.application,
                data=data,
            )
        )
        self.raws[version] = raw
        return parse_manifest(raw)

    def sign(self) -> None:
        """Sign the role anew and hand the agent what is newest."""
        self.fleet.sign_role()
        folder = self.trust / "image"
        (folder / "root_history").mkdir(parents=True, exist_ok=True)
        (folder / "targets.json").write_text(self.fleet.image[f"{self.fleet.version['targets']}.targets.json"])
        (folder / "rel-app.json").write_text(self.fleet.image[f"{self.fleet.version['rel-app']}.rel-app.json"])
        for name, text in self.fleet.image.items():
            if name.endswith(".root.json"):
                (folder / "root_history" / name).write_text(text)

    def provision(self, manifest: Manifest) -> None:
        install(self.slots, A, manifest, self.files[manifest.version])
        self.boot.commit(A)
        self.vault.committed(note_of(manifest), self.digest(manifest.version))

    def digest(self, version: str) -> str:
        return digest_of(self.raws[version])

    def piece(self, version: str, name: str) -> Piece:
        content = self.files[version][name]
        return Piece(name, digest_of(content), len(content), 0, len(content))

    def prepare(self, manifest: Manifest, slot: SlotName = B) -> None:
        """Fill a slot as the agent does."""
        boot, slots, _, _ = self.proxies()
        boot.set_state(slot, SlotState.BAD)
        slots.begin(slot, manifest, self.raws[manifest.version])
        for missing in slots.missing(slot):
            for piece in slots.reuse(slot, missing):
                content = self.files[manifest.version][piece.name]
                slots.write(slot, piece, lambda offset, content=content: [content[offset:]])
        slots.seal(slot)

    def trial(self, slot: SlotName = B, budget_s: float = 60.0) -> Trial:
        """What the agent would arm; only a few of its fields are listened to."""
        return Trial(
            assignment="a-1",
            attempt=1,
            component="app",
            slot=slot.value,
            previous=slot.other.value,
            armed_boot_id="mine",
            budget_s=budget_s,
            deadline_monotonic=1e12,
            deadline_boot_id="mine",
            max_starts=3,
            fallback=None,
        )

    def switch(self, slot: SlotName = B) -> None:
        """Arm, flip and start, as the agent does."""
        boot, _, trials, application = self.proxies()
        with trials.lock():
            trials.arm(self.trial(slot))
            boot.arm_trial(slot)
            installed = self.slots.installed(slot)
            assert installed is not None
            application.start(slot, installed)
        until(lambda: self.application.running(), "the application to show its command line")

    def close(self) -> None:
        self.server.stop()
        guard.stop_application(self.folder, 1.0)
