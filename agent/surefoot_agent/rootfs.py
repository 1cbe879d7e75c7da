"""A root filesystem is started by restarting the machine, and what runs is the very root that this agent runs from.

Promises: `running` names the slot that boot control shows only if that slot's device is the one mounted as this
machine's root; the start id is the kernel's boot id, so only a restart counts as a start. `start` returns by a restart
alone: where the machine is still up after a while, it raises. Refuses to believe a bootloader against the kernel.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.ports import BootControl, Running, Slots
from surefoot_agent.restart import RESTART_LIMIT_S, restart_and_wait
from surefoot_shared.errors import InstallFailed, SurefootError
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName

KERNEL_RECORD_BYTES = 8192
"""/dev/kmsg gives one record a read, and none is longer."""


class RootFilesystem:
    """ApplicationControl port of a component whose slots are this machine's roots."""

    def __init__(
        self,
        boot: BootControl,
        slots: Slots,
        restart: Callable[[], None],
        metrics_port: int = 0,
        limit_s: float = RESTART_LIMIT_S,
        system: Path = Path("/"),
    ) -> None:
        self._boot, self._slots, self._restart = boot, slots, restart
        self._metrics_port, self._limit_s, self._system = metrics_port, limit_s, system

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        """Restart the machine and wait for the end of this process. Raises InstallFailed(restart_failed)."""
        restart_and_wait(self._restart, self._limit_s)
        message = f"The machine was told to restart into slot {slot.value} and is still up after {self._limit_s:g} s."
        raise InstallFailed("restart_failed", message)

    def stop(self) -> None:
        """A root stops with the machine."""

    def running(self) -> Running | None:
        """The agent itself, where its root is the slot that boot control shows; None where they do not agree."""
        try:
            slot = self._boot.current()
        except SurefootError:
            return None
        if self._mounted() is not slot:
            return None
        process = self._system / "proc/self"
        return Running(
            start_id=guard.boot_id(),
            pid=os.getpid(),
            slot=slot,
            executable=os.readlink(process / "exe"),
            directory=os.readlink(process / "root"),
            uptime_s=time.clock_gettime(time.CLOCK_BOOTTIME),
        )

    def tend(self) -> None:
        """Whether this root lives is not for what runs in it to answer: boot control and the guard do."""

    def spec(self, slot: SlotName, manifest: Manifest) -> None:
        """The guard needs no process to start: its way back is boot control and a restart."""

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of the kernel's log; empty for an agent that may not read it."""
        try:
            handle = os.open(self._system / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            return "\n".join(list(_records(handle))[-lines:])
        finally:
            os.close(handle)

    def endpoint(self) -> Mapping[str, str]:
        return {"metrics_port": str(self._metrics_port)} if self._metrics_port else {}

    def _mounted(self) -> SlotName | None:
        """The slot whose device carries this machine's root; None where none or both could."""
        mounts = dict(_mounts(self._system / "proc/self/mountinfo"))
        root = _carried_by(mounts.get("/", ""), self._system)
        everything = {number for device in mounts.values() for number in _carried_by(device, self._system)}
        for numbers in (root, everything):  # an overlay has no device of its own: then the one slot that is mounted
            found = [slot for slot in SlotName if _device_number(self._slots.path(slot)) in numbers]
            if found:
                return found[0] if len(found) == 1 else None
        return None


def _mounts(mountinfo: Path) -> Iterable[tuple[str, str]]:
    """(mount point, "major:minor") of each mount, later ones over earlier ones. Source: man 5 proc."""
    for line in mountinfo.read_text().splitlines():
        fields = line.split()
        yield fields[4], fields[2]


def _carried_by(device: str, system: Path) -> set[str]:
    """The device and those below it: dm-verity and dm-crypt stand on the slot's own."""
    below = (system / "sys/dev/block" / device / "slaves").glob("*/dev") if device else ()
    return {device, *(number for path in below for number in _carried_by(path.read_text().strip(), system))} - {""}


def _device_number(path: Path) -> str | None:
    try:
        status = path.stat()
    except OSError:
        return None
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return number if stat.S_ISBLK(status.st_mode) else None


def _records(handle: int) -> Iterable[str]:
    """Each record of /dev/kmsg as a line: the text after the first semicolon, without what belongs to it below."""
    while True:
        try:
            record = os.read(handle, KERNEL_RECORD_BYTES)
        except BrokenPipeError:
            continue  # it was overwritten while we read
        except OSError:
            return  # EAGAIN: that was all
        if not record:
            return
        yield record.decode(errors="replace").partition(";")[2].partition("\n")[0]
