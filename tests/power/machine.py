"""The emulated machine, seen by its serial line. `board` is arm64 with U-Boot, one NVMe disk, a network card.

Promises: software emulation only, so that it behaves the same wherever it runs; every wait has a limit and fails with
the last lines of the console; only its own process is ended. Refuses to look inside the guest: what a test knows comes
from the console, the server, or the disk once the machine is off.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
MEMORY_MIB = 256
BOOT_LIMIT_S = 240.0
"""A boot takes about ten seconds alone, and twenty times that on a machine that is busy with everything else."""
LAST_LINES = 25
ALWAYS = ("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-rtc", "base=utc")


class Machine:
    """One machine that is on; `command` is QEMU's, with what belongs to it but for the console and the control."""

    def __init__(self, command: Sequence[str], console: Path) -> None:
        self._control = console.with_suffix(".qmp")
        self._control.unlink(missing_ok=True)
        self.lines: list[str] = []
        self._cursor = 0
        self._news = threading.Condition()
        self._off = False
        self._log = console.open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [*command, *ALWAYS, "-qmp", f"unix:{self._control},server=on,wait=off"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._listen, name="console", daemon=True)
        self._reader.start()

    def expect(self, pattern: str, limit_s: float = BOOT_LIMIT_S) -> re.Match[str]:
        """Wait for a line from where the last one was found on; fails with what was said instead."""
        wanted, until_s = re.compile(pattern), time.monotonic() + limit_s
        with self._news:
            while True:
                while self._cursor < len(self.lines):
                    found = wanted.search(self.lines[self._cursor])
                    self._cursor += 1
                    if found:
                        return found
                left_s = until_s - time.monotonic()
                assert left_s > 0, f"waited {limit_s:g} s for {pattern!r}:\n{self.tail()}"
                assert not self._off, f"the machine ended before {pattern!r}:\n{self.tail()}"
                self._news.wait(left_s)

    def skip(self) -> None:
        """What was said so far is not waited for any more."""
        with self._news:
            self._cursor = len(self.lines)

    def said(self, pattern: str) -> list[re.Match[str]]:
        """Every line so far that matches, oldest first."""
        return [found for line in list(self.lines) if (found := re.search(pattern, line))]

    def tail(self) -> str:
        return "\n".join(self.lines[-LAST_LINES:])

    @property
    def is_off(self) -> bool:
        """Whether the emulator ended by itself."""
        return self._off

    def reset(self) -> None:
        """Press the reset button."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(10.0)
            control.connect(str(self._control))
            talk = control.makefile("rw")
            talk.readline()
            for order in ("qmp_capabilities", "system_reset"):
                talk.write(json.dumps({"execute": order}) + "\n")
                talk.flush()
                talk.readline()

    def off(self) -> None:
        """End the emulator at once; what the guest wrote stays in the disk's file."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(10.0)
        self._control.unlink(missing_ok=True)
        self._log.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # a pipe was asked for
        rest = b""
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            *whole, rest = (rest + chunk).split(b"\n")
            with self._news:
                for raw in whole:
                    line = raw.decode(errors="replace").rstrip("\r")
                    self.lines.append(line)
                    self._log.write(f"{time.strftime('%H:%M:%S')} {line}\n")
                self._log.flush()
                self._news.notify_all()
        with self._news:
            self._off = True
            self._news.notify_all()
        self._process.stdout.close()


def board(firmware: Path, drive: str, mac: str) -> list[str]:
    """Return QEMU's command for the board; `drive` is a file or the address of a VolatileDisk."""
    return [
        *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "1", "-m", str(MEMORY_MIB)),
        *("-accel", "tcg", "-bios", str(UBOOT)),
        *("-drive", f"if=pflash,unit=1,format=raw,readonly=on,file={firmware}"),
        *("-drive", f"if=none,id=disk,file={drive},format=raw,cache=writeback"),
        *("-device", "nvme,drive=disk,serial=surefoot"),
        *("-netdev", "user,id=net", "-device", f"virtio-net-pci,netdev=net,romfile=,mac={mac}"),
    ]
