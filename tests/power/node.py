"""One node with systemd: its disk, the stick with what an operator carries to it, and the machine while it is on.

Promises: software emulation, as of the other machines; what is done on it is done by scripts of root through the
door of the tests; `cut` takes the power with what the disk's cache makes of it. Refuses to outlive its test.
"""

from __future__ import annotations

import json
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from surefoot_simulators.demo.ports import free_ports
from tests.power import debian, packages
from tests.power.machine import BOOT_LIMIT_S
from tests.power.powered import Powered

EMULATOR = "qemu-system-x86_64"
"""Not among what CI installs: no test of CI runs on this machine."""
MEMORY_MIB = 512
SCRIPT_S = 240.0
"""The longest is pip's installation, which takes twelve seconds alone."""
CONSOLE = "console=ttyS0 quiet panic=5 systemd.show_status=no"
ROOT = "root=/dev/nvme0n1 rootfstype=ext4 rw"


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


class Node(Powered):
    """`stick` is an image that the node finds mounted at /media/stick, where its scripts begin."""

    def __init__(self, folder: Path, stick: Path, seed: int) -> None:
        assert shutil.which(EMULATOR), f"{EMULATOR} is missing; install with: apt-get install qemu-system-x86"
        super().__init__(folder, seed)
        self._stick = stick
        packages.run("cp", "--sparse=always", "--reflink=auto", str(debian.base() / "disk.img"), str(self.image))
        self._port = 0
        self._boot = ""

    def on(self) -> None:
        """Switch it on and wait until it is up."""
        (self._port,) = free_ports(1)
        self.start(self._command)
        self.comes_up()

    def comes_up(self) -> None:
        """Wait for another boot than the last, up to where systemd has started everything that it was to start."""
        until_s = time.monotonic() + BOOT_LIMIT_S
        while True:
            boot = self._boot_id()
            if boot not in ("", self._boot):
                break
            late = self.machine.is_off or time.monotonic() > until_s
            assert not late, f"the node does not come up:\n{self.machine.tail()}"
            time.sleep(0.2)
        self._boot = boot
        self.ask("systemctl is-system-running --wait")

    def restart(self) -> None:
        """Restart it in order."""
        self.ask("systemctl reboot")
        self.comes_up()

    def do(self, script: str) -> str:
        """Run a script that must succeed; return what it printed."""
        answer = self.ask("set -euo pipefail\n" + script)
        assert answer.code == 0, f"{script.strip()} ended with {answer.code}: {answer.err[-2000:]}{answer.out[-500:]}"
        return answer.out

    def ask(self, script: str) -> Answer:
        with socket.create_connection(("127.0.0.1", self._port), 5.0) as door:
            door.settimeout(SCRIPT_S)
            door.sendall(script.encode())
            door.shutdown(socket.SHUT_WR)
            said = b"".join(iter(lambda: door.recv(65536), b""))
        return Answer(**json.loads(said or b'{"code": 255, "out": "", "err": "the door closed"}'))

    def _boot_id(self) -> str:
        try:
            return self.ask("cat /proc/sys/kernel/random/boot_id").out
        except OSError:
            return ""

    def _command(self, drive: str) -> list[str]:
        return [
            *(EMULATOR, "-M", "q35", "-accel", "tcg", "-cpu", "Nehalem", "-smp", "2"),
            *("-m", str(MEMORY_MIB), "-kernel", str(debian.base() / "vmlinuz"), "-append", f"{ROOT} {CONSOLE}"),
            *("-drive", f"if=none,id=disk,file={drive},format=raw,cache=writeback"),
            *("-device", "nvme,drive=disk,serial=surefoot,addr=4"),
            *("-drive", f"if=none,id=stick,file={self._stick},format=raw,cache=writeback"),
            *("-device", "nvme,drive=stick,serial=stick,addr=5"),
            *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
            *("-device", "virtio-net-pci,netdev=net,romfile="),
        ]
