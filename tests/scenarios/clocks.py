"""A node whose clock is wrong: its agent, and the child that verifies, read another time than the rest of the machine.

The C library's clock is turned by libfaketime for one interpreter, a copy of ours by links whose `python3` is a
script: the verification child is started without environment. Monotonic time stays as it is, as on a device.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from surefoot_simulators.demo.node import Node, environment
from surefoot_simulators.demo.unit import Unit

LIBRARIES = Path("/usr/lib")
AGENT = """
import sys
import threading
import time
from pathlib import Path
from surefoot_agent import clock
from surefoot_agent.__main__ import main
clock.SYNCHRONISED = Path("/nonexistent/nobody-set-this-clock")
time.sleep = lambda seconds: threading.Event().wait(seconds) and None
sys.exit(main())
"""
"""The agent's own program, on a machine without a time service.

Python sleeps until an instant of the monotonic clock, which libfaketime takes for one of the clock that it turns.
"""


class WrongClock:
    """`set` takes what faketime takes: `-30d`, `+10y`, `@1970-01-01 00:10:00`; the running agent follows at once."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self._python = folder / "bin" / "python3"
        self._python.parent.mkdir(parents=True)
        ours = Path(sys.executable)
        shutil.copy(ours.parent.parent / "pyvenv.cfg", folder / "pyvenv.cfg")
        (folder / "lib").symlink_to(ours.parent.parent / "lib")
        library = next(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"))
        self._python.write_text(
            "#!/bin/bash\n"
            f"export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={self._file} FAKETIME_NO_CACHE=1\n"
            "export DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1\n"
            f'exec -a "$0" {ours.resolve()} "$@"\n'
        )
        self._python.chmod(0o755)

    def set(self, text: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(text)
        new.replace(self._file)

    def give_to(self, node: Node) -> None:
        """The node's agent lives by this clock from its next start on."""
        words = [str(self._python), "-c", AGENT, "run", "--config", str(node.spec.config)]
        node.agent = Unit(node.agent.name, words, environment(), node.agent.log)
