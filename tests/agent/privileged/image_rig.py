"""A board in two halves in one process: the real helper on a real socket, two files that stand for its devices.

Image slots, labels, trial file, metadata and socket are real; the bootloader is the one in memory, and a restart of the
machine is `restart`, after which the other slot is what runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.boot.fake import COUNTER, FakeBoot
from surefoot_agent.data import DataFolder
from surefoot_agent.ports import Running
from surefoot_agent.privileged import steward
from surefoot_agent.privileged.chain_child import answer
from surefoot_agent.privileged.proxies import Line, PrivilegedBoot, PrivilegedTrials
from surefoot_agent.privileged.root import PrivilegedRoot
from surefoot_agent.privileged.serve import Server
from surefoot_agent.privileged.slots import Evidence, PrivilegedImages
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.vault import Owner, Vault
from surefoot_agent.rootfs import RootFilesystem
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.trial import Trial, TrialFile
from surefoot_agent.way_back import WayBack
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest, manifest_bytes
from surefoot_shared.status import SlotName
from surefoot_shared.trust.repository import release_target
from tests.agent.images import BLOCK, MadeImage, fill, image_release, install, two_devices
from tests.agent.privileged.rig import StillClock
from tests.shared.trust.simulator import DEVICE, HW, FleetSimulator

A, B = SlotName.A, SlotName.B
SLOT_BYTES = 16 * BLOCK


class PlayedRoot(RootFilesystem):
    """What runs is what the bootloader entered: the kernel under the tests was started from neither file."""

    def __init__(self, boot: FakeBoot, slots: ImageSlots, restarts: list[str]) -> None:
        super().__init__(boot, slots, lambda: restarts.append("ordered"), limit_s=0.0)
        self._fake = boot

    def running(self) -> Running | None:
        return Running(f"boot {len(self._fake.commits)}", 1, self._fake.current(), "/sbin/init", "/", 0.0)


class ImageRig:
    """1.0 runs from slot A, good; `publish` signs more releases, `prepare` fills slot B with one through the helper."""

    def __init__(self, folder: Path, uid: int = -1) -> None:
        self.fleet, self.folder = FleetSimulator(), folder / "app"
        self.trust, self.restarts = folder / "agent-trust", list[str]()
        self.vault = Vault(folder / "vault", lambda question: wire.encode(answer(question)))
        self.vault.set_up(Owner(DEVICE, HW), self.fleet.image["1.root.json"].encode())
        self.devices = two_devices(folder / "dev", SLOT_BYTES)
        self.slots, self.boot = ImageSlots(self.folder, self.devices), FakeBoot(nature=COUNTER)
        self.root = PlayedRoot(self.boot, self.slots, self.restarts)
        self.estate = self.estate_of(self.slots)
        self.path, self.uid = folder / "helper.sock", uid
        self.serve()
        self.line = Line(self.path, "app", connect_s=2.0)
        self.old = self.publish(b"\1" * BLOCK * 4, "1.0", 100)
        install(self.slots, A, self.old)
        self.boot.commit(A)

    def estate_of(self, slots: ImageSlots) -> Estate:
        folder, trials = self.folder, TrialFile(self.folder)
        return Estate(folder, self.boot, slots, self.root, trials, StillClock(), lambda: (1,), data=DataFolder(folder))

    def serve(self) -> None:
        self.server = Server(self.path, self.uid, {"app": Steward("app", self.estate, self.vault)})
        self.server.start()

    def serve_anew(self) -> None:
        """The helper died and was started again: it remembers what is on the disk, and nothing else."""
        self.server.stop()
        self.line.drop()
        self.estate = self.estate_of(ImageSlots(self.folder, self.devices))
        self.serve()

    def proxies(self) -> tuple[PrivilegedBoot, PrivilegedImages, PrivilegedTrials, PrivilegedRoot]:
        slots = PrivilegedImages(self.folder, self.devices, self.line, Evidence(self.trust))
        root = PrivilegedRoot(self.folder, self.line)
        return PrivilegedBoot(self.line), slots, PrivilegedTrials(self.folder, self.line), root

    def publish(self, content: bytes, version: str, counter: int) -> MadeImage:
        """Sign an image and let the agent have its metadata, as a bundle would."""
        made = self.unsigned(content, version, counter)
        self.sign(made.manifest)
        return made

    def unsigned(self, content: bytes, version: str, counter: int) -> MadeImage:
        """An image that nobody signed."""
        plain = image_release(content, version, "app")
        manifest = Manifest("app", version, counter, 0, (HW,), (), slot=plain.manifest.slot, image=plain.manifest.image)
        return MadeImage(content, manifest, plain.blobs)

    def sign(self, manifest: Manifest) -> None:
        raw = manifest_bytes(manifest)
        target = release_target(raw)
        self.fleet.listed[target.path] = target
        self.fleet.manifests["app", manifest.version] = raw
        self.fleet.sign_role()
        folder = self.trust / "image"
        (folder / "root_history").mkdir(parents=True, exist_ok=True)
        (folder / "targets.json").write_text(self.fleet.image[f"{self.fleet.version['targets']}.targets.json"])
        (folder / "rel-app.json").write_text(self.fleet.image[f"{self.fleet.version['rel-app']}.rel-app.json"])

    def prepare(self, made: MadeImage) -> None:
        """Fill slot B as the agent does."""
        slots = self.proxies()[1]
        fill(slots, B, made)
        slots.seal(B)

    def trial(self) -> Trial:
        """What the agent would arm; only a few of its fields are listened to."""
        return Trial("a-1", 1, "app", "B", "A", "mine", 60.0, 1e12, "mine", 3, None)

    def arm(self) -> None:
        boot, _, trials, _ = self.proxies()
        with trials.lock():
            trials.arm(self.trial())
            boot.arm_trial(B)

    def enter(self, slot: SlotName) -> None:
        """Have the machine restarted into a slot, and let it come up there."""
        root = self.proxies()[3]
        ordered = len(self.restarts)
        with pytest.raises(InstallFailed, match="still up"):  # nothing really restarts
            root.start(slot, None)
        assert len(self.restarts) == ordered + 1
        self.boot.restart()

    def close(self) -> None:
        self.server.stop()


def way_back_by(reboot: Path) -> object:
    """In the place of `steward.way_back`: the machine under the tests may have no command that restarts it."""
    reboot.write_text("#!/bin/sh\n")
    reboot.chmod(0o755)
    assert steward.way_back  # it is what is replaced
    return lambda boot, previous: WayBack(True, (), ((str(reboot),),), "surefoot.slot=A")
