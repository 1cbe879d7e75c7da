"""U-Boot's environment, read and changed with the tools of libubootenv.

Promises: a change is one transaction (`fw_setenv -s`), on the medium when it returns, and read back; where the medium
has two copies, a torn write leaves the copy before. Refuses default environments: what no whole copy holds does not
exist, so a wrong place is noticed before anything is written to it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from surefoot_agent.boot import tool

CONFIG = Path("/etc/fw_env.config")
NO_DEFAULTS = ("-f", "/dev/null")
"""Both tools fall back to /etc/u-boot-initial-env without an error, and would then write that to a wrong place."""
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_VALUE = re.compile(r"[ -~]*")


class Environment:
    """The environment that a `fw_env.config` leads to."""

    title = "U-Boot's environment"
    place = "fw_env.config: it must lead to the place that U-Boot reads"

    def __init__(self, config: Path = CONFIG) -> None:
        self._config = config

    def read(self) -> dict[str, str]:
        """Return every variable; none where no copy is whole."""
        shown = tool.run(("fw_printenv", "-c", str(self._config), *NO_DEFAULTS))
        lines = (line.partition("=") for line in shown.splitlines())
        return {name: value for name, sign, value in lines if sign}

    def change(self, changes: Mapping[str, str | None]) -> None:
        """Set and remove variables, all or none. Raises InstallFailed where they do not read back."""
        for name, value in changes.items():
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value or ""):
                raise tool.failed(f"{name}={value!r} cannot be put into U-Boot's environment.")
        script = "".join(f"{name}={value or ''}\n" for name, value in changes.items())
        tool.run(("fw_setenv", "-c", str(self._config), *NO_DEFAULTS, "-s", "-"), script)
        self.sync()
        found = self.read()
        wrong = sorted(name for name, value in changes.items() if found.get(name) != value)
        if wrong:
            hint = "Let U-Boot and libubootenv write these variables, and check fw_env.config."
            raise tool.failed(f"U-Boot's environment does not read back: {', '.join(wrong)}.", hint)

    def commands(self, name: str, value: str) -> tuple[tuple[str, ...], ...]:
        """Return the command that sets one variable, for whoever has no boot control; none without the tool."""
        program = shutil.which("fw_setenv", path=tool.PATH)
        return ((program, "-c", str(self._config), *NO_DEFAULTS, name, value),) if program else ()

    def sync(self) -> None:
        """Make durable what was written by whoever wrote last: a bootloader or a killed tool never did."""
        for device in self.devices():
            handle = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            except OSError as error:
                if error.errno != errno.EINVAL:  # raw flash (MTD) has no cache and no fsync
                    raise tool.failed(f"{device} cannot be synced: {error.strerror}.") from error
            finally:
                os.close(handle)

    def devices(self) -> tuple[str, ...]:
        """Return the places of the copies, as `fw_env.config` lists them, each once."""
        return tuple(dict.fromkeys(line.split()[0] for line in self._copies()))

    def copies(self) -> int:
        """Return how many copies there are; one alone does not survive a torn write."""
        return len(self._copies())

    def _copies(self) -> list[str]:
        try:
            text = self._config.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise tool.failed(f"{self._config} cannot be read: {error.strerror}.") from error
        return [line for line in text.splitlines() if line.strip().startswith("/")]
