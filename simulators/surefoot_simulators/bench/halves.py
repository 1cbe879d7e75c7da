"""An install on a device in two halves: the agent fetches and its helper, a process of its own, verifies and writes.

Promises: the helper's own steward, vault, socket and verification child, and the agent's own side of it; metadata with
real keys. In place of a bootloader one in memory, since none is asked while a slot is filled. As a program it is the
helper, which ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from surefoot_agent.boot.fake import FakeBoot
from surefoot_agent.clock import SystemClock
from surefoot_agent.data import DataFolder
from surefoot_agent.ports import Running, Slots
from surefoot_agent.privileged.proxies import Line
from surefoot_agent.privileged.serve import Server
from surefoot_agent.privileged.slots import Evidence, PrivilegedImages
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.vault import Owner, Vault, in_a_child
from surefoot_agent.rootfs import RootFilesystem
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.trial import TrialFile
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import role_name
from surefoot_shared.status import SlotName
from surefoot_shared.trust.fields import IMAGE
from surefoot_simulators.bench.trust import DEVICE, repositories

START_S = 30.0
Devices = Mapping[SlotName, Path]


class RunsA(RootFilesystem):
    """The system that runs is the one in slot A."""

    def running(self) -> Running:
        return Running("bench", 1, SlotName.A, "/sbin/init", "/", 0.0)


def prepare(folder: Path, component: str, hw: str, manifests: Sequence[bytes]) -> None:
    """Sign the releases; the helper is set up with the root, and the agent has the metadata that proves them."""
    image = repositories(datetime.now(timezone.utc), component, manifests).image
    Vault(folder / "vault", in_a_child("")).set_up(Owner(DEVICE, hw), image["1.root.json"].encode())
    evidence = folder / "trust" / IMAGE
    (evidence / "root_history").mkdir(parents=True)
    for name in ("targets", role_name(component)):
        (evidence / f"{name}.json").write_text(image[f"1.{name}.json"])


def agents_slots(folder: Path, component: str, devices: Devices) -> Slots:
    """The agent's side: what it writes, it asks the helper to write."""
    line = Line(_socket(folder), component)
    return PrivilegedImages(folder / "state", dict(devices), line, Evidence(folder / "trust"))


@contextmanager
def helper(folder: Path, component: str, devices: Devices) -> Iterator[None]:
    """Let the helper run. Raises InstallFailed where it does not start."""
    words = (folder, component, devices[SlotName.A], devices[SlotName.B])
    command = [sys.executable, "-m", "surefoot_simulators.bench.halves", *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        _wait_for(_socket(folder))
        yield
    finally:
        process.communicate(timeout=START_S)


def main(argv: Sequence[str]) -> int:
    folder, component = Path(argv[0]), argv[1]
    devices = {SlotName.A: Path(argv[2]), SlotName.B: Path(argv[3])}
    state = folder / "state"
    boot, slots, trials = FakeBoot(), ImageSlots(state, devices), TrialFile(state)
    root = RunsA(boot, slots, lambda: None)
    estate = Estate(state, boot, slots, root, trials, SystemClock(), tuple, data=DataFolder(state))
    server = Server(
        _socket(folder), -1, {component: Steward(component, estate, Vault(folder / "vault", in_a_child("")))}
    )
    server.start()
    sys.stdin.read()
    server.stop()
    return 0


def _socket(folder: Path) -> Path:
    return folder / "helper.sock"


def _wait_for(socket: Path) -> None:
    until_s = time.monotonic() + START_S
    while not socket.exists():
        if time.monotonic() > until_s:
            raise InstallFailed("helper_unreachable", f"The helper did not start within {START_S:g} s.")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
