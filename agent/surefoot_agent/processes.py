"""What the kernel says of the application: from where it runs, and whether it is the one that answers on a port.

Promises: reads /proc only, changes nothing, and answers no where it cannot see. A pid alone proves nothing, so callers
pass records that `guard.process_alive` has confirmed. Source: man 5 proc, man 2 execve (interpreter scripts).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from surefoot_agent.guard import AppRecord
from surefoot_agent.ports import Running
from surefoot_shared.status import SlotName

LISTEN = "0A"
"""TCP_LISTEN in the `st` column of /proc/net/tcp."""


@runtime_checkable
class Witness(Protocol):
    """Knows what its processes listen on."""

    def listens(self, port: int) -> bool: ...


def proved(record: AppRecord, slot_path: Path) -> Running | None:
    """Return the process with its proof, None where executable or working directory are not inside the slot."""
    tree, proc = slot_path.resolve(), Path(f"/proc/{record.pid}")
    try:
        directory = os.readlink(proc / "cwd")
        executable = _executable(proc, tree)
    except OSError:
        return None
    if executable is None or not _inside(directory, tree):
        return None
    return running(record, executable, directory)


def running(record: AppRecord, executable: str, directory: str) -> Running:
    since_boot_s = record.start_ticks / os.sysconf("SC_CLK_TCK")
    uptime_s = max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot_s)
    return Running(record.start_id, record.pid, SlotName(record.slot), executable, directory, uptime_s)


def listens(port: int, pids: Iterable[int]) -> bool:
    """True where one of the processes holds a socket that listens on the TCP port.

    Another user's processes do not show what they hold: they come with a witness, who can see it.
    """
    if isinstance(pids, Witness):
        return pids.listens(port)
    inodes = set(_listening_inodes(port))
    return bool(inodes) and any(_holds(pid, inodes) for pid in pids)


def everybody() -> list[int]:
    """Every process of this machine: all of them are of the root that it started from."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _executable(proc: Path, tree: Path) -> str | None:
    """The file in the tree that runs: the binary, or the script that the kernel put behind its interpreter."""
    binary = os.readlink(proc / "exe")
    if _inside(binary, tree):
        return binary
    words = (proc / "cmdline").read_bytes().split(b"\0")
    for word in words[1:3]:  # `#!` gives the interpreter, at most one argument, then the script
        script = os.path.realpath(os.fsdecode(word)) if word.startswith(b"/") else ""
        if script and os.path.isfile(script) and _inside(script, tree):
            return script
    return None


def _inside(path: str, tree: Path) -> bool:
    return path == str(tree) or path.startswith(f"{tree}{os.sep}")


def _listening_inodes(port: int) -> Iterable[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue  # a kernel without IPv6
        for columns in map(str.split, lines):
            if columns[3] == LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _holds(pid: int, inodes: set[str]) -> bool:
    try:
        handles = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    return any(_target(pid, handle) in {f"socket:[{inode}]" for inode in inodes} for handle in handles)


def _target(pid: int, handle: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{handle}")
    except OSError:
        return ""
