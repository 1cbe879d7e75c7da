"""A set of a root in image slots and an application in directories, of a device in two halves: both, or neither.

Real are the helper's server with a steward for each, image and directory slots, trials, the set's verdict and the
verification; played are the bootloader, the restart of the machine, the application and what `fakes` plays.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from surefoot_agent import guard
from surefoot_agent.boot.fake import ONE_SHOT, FakeBoot
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.data import DataFolder
from surefoot_agent.ports import BootControl, Running, Slots
from surefoot_agent.privileged.carrier import PrivilegedCarrier, PrivilegedData
from surefoot_agent.privileged.chain_child import answer
from surefoot_agent.privileged.proxies import PrivilegedApplication, PrivilegedBoot, PrivilegedTrials
from surefoot_agent.privileged.root import PrivilegedRoot
from surefoot_agent.privileged.serve import Server
from surefoot_agent.privileged.slots import Evidence, PrivilegedImages, PrivilegedSlots
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.vault import Owner, Vault
from surefoot_agent.reset_cause import Cause
from surefoot_agent.rootfs import RootFilesystem
from surefoot_agent.runner import Runner
from surefoot_agent.sight import Hands
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.trial import TrialFile
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest, manifest_bytes, note_of
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState
from surefoot_shared.trust.repository import release_target
from tests.agent.fakes import Cut, Device, World
from tests.agent.images import BLOCK, install, two_devices
from tests.crash.lone import MortalLine
from tests.crash.root import Downloads, made
from tests.crash.split import StillDate
from tests.shared.trust.simulator import DEVICE, FleetSimulator

A = SlotName.A
VERSIONS = ("1.0", "1.1")
RESTARTS = 8


class Restarted(BaseException):
    """The machine went down in order, and the agent with it."""


class DownRoot(PrivilegedRoot):
    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        try:
            return super().start(slot, manifest)
        except InstallFailed as error:
            if error.kind == "restart_failed":
                raise Restarted from error
            raise


class PlayedRoot(RootFilesystem):
    """What runs is what the bootloader entered; the restart that was ordered comes from outside."""

    def __init__(self, boot: FakeBoot, slots: Slots, world: World) -> None:
        super().__init__(boot, slots, lambda: None, limit_s=0.0)
        self._fake, self._world = boot, world

    def running(self) -> Running | None:
        return Running(self._world.boot_id(), 1, self._fake.current(), "/sbin/init", "/", 0.0)


@lru_cache
def fleet() -> FleetSimulator:
    return FleetSimulator(components=("app", "rootfs"))


class SetDevice(Device):
    """rootfs 1.0 and app 1.0 run; 1.1 of both is assigned as one set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ("rootfs", "app"))
        self.root, self.app = self.parts["rootfs"], self.parts["app"]
        self.root.reboots = True
        self.images = {version: made(version, "rootfs") for version in VERSIONS}
        self.root.manifests = {version: image.manifest for version, image in self.images.items()}
        self.evidence, self._socket = folder / "trust", folder / "helper.sock"
        self.root_dir, self.app_dir = self.root.component_dir, self.app.component_dir
        shutil.rmtree(self.root_dir)
        self.devices = two_devices(folder / "dev", 8 * BLOCK)
        install(ImageSlots(self.root_dir, self.devices), A, self.images["1.0"])
        self.boot, self.app_boot = FakeBoot(nature=ONE_SHOT), SymlinkBoot(self.app_dir)
        self.boot.commit(A)
        self.app.application._world = World()  # points of the helper's are no points here
        self.app.application.start(A, self.app.manifests["1.0"])
        self._sign()
        self._vault = Vault(folder / "vault", lambda question: wire.encode(answer(question)))
        self._vault.set_up(Owner(DEVICE, "x86-box"), fleet().image["1.root.json"].encode())
        for part in self.parts.values():
            self._vault.committed(note_of(part.manifests["1.0"]), part.digest("1.0"))
        self.lines = dict[str, MortalLine]()
        self.start_helper()
        self.assign(*self.joint("1.1"))
        self.world.points, self.world.trace = 0, []

    def _sign(self) -> None:
        signed, folder = fleet(), self.evidence / "image"
        (folder / "root_history").mkdir(parents=True)
        for part in self.parts.values():
            targets = [release_target(manifest_bytes(part.manifests[version])) for version in VERSIONS]
            signed.listed.update({target.path: target for target in targets})
            signed.sign_role(part.name)
            name = f"rel-{part.name}"
            (folder / f"{name}.json").write_text(signed.image[f"{signed.version[name]}.{name}.json"])
        (folder / "targets.json").write_text(signed.image[f"{signed.version['targets']}.targets.json"])

    def start_helper(self) -> None:
        """As systemd does: it remembers what is on the disk."""
        clock, slots = StillDate(self.world), ImageSlots(self.root_dir, self.devices)
        root = PlayedRoot(self.boot, slots, self.world)
        self.helper = Server(
            self._socket,
            -1,
            {
                "rootfs": self._steward(self.root_dir, self.boot, slots, root, clock),
                "app": self._steward(
                    self.app_dir, self.app_boot, DirectorySlots(self.app_dir), self.app.application, clock
                ),
            },
        )
        self.helper.start()

    def _steward(self, folder: Path, boot: BootControl, slots: Slots, application: Any, clock: StillDate) -> Steward:
        data = DataFolder(folder)
        estate = Estate(folder, boot, slots, application, TrialFile(folder), clock, tuple, data=data)  # type: ignore[arg-type]
        return Steward(folder.name, estate, self._vault)

    def hands(self, component: str = "") -> Hands:
        name = component or "rootfs"
        if old := self.lines.get(name):
            old.die()
        line = self.lines[name] = MortalLine(self._socket, self.world, name)
        part, evidence = self.parts[name], Evidence(self.evidence)
        folder, is_root = part.component_dir, name == "rootfs"
        slots: PrivilegedSlots | PrivilegedImages = PrivilegedSlots(folder, line, evidence, 0, 0)
        application: PrivilegedApplication = PrivilegedApplication(folder, line)
        downloader: Any = part.downloader
        if is_root:
            slots, application = PrivilegedImages(folder, self.devices, line, evidence), DownRoot(folder, line)
            downloader = Downloads(slots, list(self.images.values()))
        else:
            part.downloader._slots = slots  # type: ignore[assignment]
        return replace(
            super().hands(name),
            boot=PrivilegedBoot(line),
            slots=slots,
            downloader=downloader,
            trials=PrivilegedTrials(folder, line),
            application=application,
            data=PrivilegedData(folder, line),
            carrier=PrivilegedCarrier(line),
        )

    def run(self) -> bool:
        """Play agents, over restarts of the machine in order, until the set ended; False where one died before."""
        for _ in range(RESTARTS):
            try:
                agent = self.start_agent()
                self.play(agent, 900.0, lambda agent=agent: self._ended(agent))  # type: ignore[misc]
            except Restarted:
                self.restart_machine(Cause.CLEAN_RESTART)
            except Cut:
                self._forsake()
                return False
            else:
                return True
        raise AssertionError("it restarts again and again")

    def _ended(self, agent: Runner) -> bool:
        idle = all(record.state is AttemptState.IDLE and record.ended for record in agent.records)
        return idle and len(self.server.outcomes()) >= len(self.parts)

    def restart_machine(self, cause: Cause) -> None:
        """Helper and application go down with it."""
        self._forsake()
        self.helper.stop()
        self.boot.restart()
        self.restart(cause)
        self.start_helper()

    def _forsake(self) -> None:
        for line in self.lines.values():
            line.die()

    def broken_promises(self, allowed: frozenset[Outcome]) -> list[str]:
        told = sorted((str(assignment), outcome) for assignment, outcome, _ in self.server.outcomes())
        ends = {outcome for _, outcome in told}
        wanted = "1.1" if ends == {Outcome.COMMITTED} else "1.0"
        current, linked = self.boot.current(), self.app_boot.current()
        root = ImageSlots(self.root_dir, self.devices)
        root.verify(current)
        installed = root.installed(current)
        process = self.app.application.process
        trials = [guard.load_trial(folder) for folder in (self.root_dir, self.app_dir)]
        checks = {
            f"the server was told {told}": [a for a, _ in told] == ["app-1", "rootfs-1"] and ends <= allowed,
            f"its root is {installed and installed.version}": installed is not None and installed.version == wanted,
            f"its application is {self.app.running_version()}": self.app.running_version() == wanted,
            f"{process} runs": process is not None and process.slot is linked,
            "a slot that runs is not good": {self.boot.state(current), self.app_boot.state(linked)} == {SlotState.GOOD},
            f"another root is entered next: {self.boot.primary()}": self.boot.primary() is current,
            f"a guard would still act: {trials}": not any(t and guard.must_act(t, 1e12) for t in trials),
            "it is not idle": all(record.state is AttemptState.IDLE for record in self.start_agent().records),
        }
        return [what for what, holds in checks.items() if not holds]

    def close(self) -> None:
        self._forsake()
        self.helper.stop()
        if self.journal is not None:
            self.journal.close()  # type: ignore[operator]
