"""A device with Update Modules: two slots with payloads, the host in a process that can be killed, faults on order.

A fault is `fail STATE` (the call fails), `kill STATE` (the host dies before the module did anything), `late STATE`
(the host dies after the module has done its work), or `lost STATE` (as `late`, and the whole machine dies, which only
`board.py` has). Each happens once.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from surefoot_agent.modules.flow import Order
from surefoot_agent.modules.host import Host, Rules
from surefoot_shared.errors import InstallFailed

STOCK = Path("/usr/share/mender/modules/v3")
WAY_S = 120.0
"""Long enough for a machine that does a hundred other things."""
FAULTY = """#!/bin/sh
echo "$1" >> "{calls}"
fault=$(grep -x "[a-z]* $1" "{faults}" 2>/dev/null | head -n 1)
[ -z "$fault" ] || sed -i "/^$fault$/d" "{faults}"
case "$fault" in
    fail*) exit 1 ;;
    kill*) kill -9 $PPID; exit 0 ;;
esac
"{program}" "$@" || exit $?
case "$fault" in
    late*) kill -9 $PPID ;;
    lost*) touch "{power}"; kill -9 $PPID ;;
esac
exit 0
"""


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class World:
    """One component whose payloads a module installs; `program` is the real one behind the faults."""

    def __init__(self, folder: Path, kind: str, program: Path, order: Order = Order.V4) -> None:
        self.folder, self.kind, self._order = folder, kind, order
        self.calls, self._faults, self.bin = folder / "calls", folder / "faults", folder / "bin"
        for made in (folder / "modules", self.bin, folder / "state"):
            made.mkdir(parents=True)
        self.env: Mapping[str, str] = {}
        text = FAULTY.format(calls=self.calls, faults=self._faults, program=program, power=folder / "power")
        executable(folder / "modules" / kind, text)

    def payload(self, slot: str, name: str, files: Mapping[str, str], meta: str = "") -> None:
        """Fill a slot."""
        tree = self.folder / slot
        (tree / "payload").mkdir(parents=True)
        for file, text in files.items():
            executable(tree / "payload" / file, text)
        told = {"v": 1, "type": self.kind, "name": name, "files": list(files), "meta": meta}
        (tree / "module.json").write_text(json.dumps(told))

    def faults(self, *faults: str) -> None:
        self._faults.write_text("".join(f"{fault}\n" for fault in faults))

    def host(self) -> Host:
        env = {"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "WORLD": str(self.folder), **self.env}
        rules = Rules(self.folder / "modules", self._order, WAY_S, self.restart, "rpi5", env)
        return Host(self.folder / "state", rules)

    def restart(self) -> None:
        """Restart the machine that this process runs on: it ends here."""
        os.kill(os.getpid(), signal.SIGKILL)

    def died(self) -> None:
        """What happens after each death, before the host starts anew."""

    def enter(self, slot: str, proved: bool = False) -> str:
        """As an application's start would: again after each death, as the restarted agent does. Return its error."""
        return self._lives(lambda: self.host().enter(slot, self.folder / slot, proved))

    def commit(self, slot: str) -> str:
        return self._lives(lambda: self.host().commit(slot))

    def called(self) -> list[str]:
        return self.calls.read_text().split()

    def _lives(self, act: Callable[[], None], most: int = 60) -> str:
        for _ in range(most):
            ended, error = in_a_process(act)
            if ended:
                return error
            self.died()
        raise AssertionError(f"it died {most} times")


def in_a_process(act: Callable[[], None]) -> tuple[bool, str]:
    """Return whether the process came to its end, and the kind of the InstallFailed it met."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            act()
        except InstallFailed as error:
            os.write(write, error.kind.encode())
        except BaseException:
            traceback.print_exc()
            code = 3
        os._exit(code)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    with open(read, "rb") as said:
        error = said.read().decode()
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status), error
