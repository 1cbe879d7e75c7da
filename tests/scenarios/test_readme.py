"""The README's walk is walked: each line is typed at a shell of its own terminal, and what asks is answered."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.house.blocks import Block, commands
from tests.house.tree import ROOT

PROMPT = "walk> "
PASSPHRASE = "a passphrase for the walk"
LINE_S = 110
LOOKS = 20
QUESTIONS = (r"Passphrase of the offline keys: ", r"The same again: ", r"\[y/N\]: ")
ANSWERS = (PASSPHRASE, PASSPHRASE, "y")
PORTS = {"api_port": 8080, "device_port": 8443, "mqtt_port": 8883}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def walked() -> list[Block]:
    """All but the first block, which is `make demo` and `make test`."""
    return commands("README.md")[1:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout in which nothing of the walk lies yet."""
    for name in ("agent", "simulators", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


class Shell:
    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.child = pexpect.spawn(
            "bash", ["--norc", "--noprofile", "--noediting"], cwd=str(folder), env=env, encoding="utf-8"
        )
        self.child.setwinsize(50, 200)
        self.child.sendline(f"stty -echo; PS1='{PROMPT[:2]}''{PROMPT[2:]}'; set +m")
        self.child.expect(re.escape(PROMPT))

    def __call__(self, line: str) -> str:
        """Type one line, answer what it asks, and give back what it said; its exit code must be 0.

        What was begun in the background may need a moment: a person would look again.
        """
        for _ in range(LOOKS if "surefoot-agent check" in line else 1):
            said = self._until_prompt(line)
            if "code=0" in self._until_prompt("echo code=$?"):
                return said
        raise AssertionError(f"{line}\n{said}")

    def begin(self, line: str, ready: str) -> None:
        """Type a line that runs for ever, and wait until it says that it is ready."""
        self.child.sendline(line)
        self.child.expect(ready, timeout=LINE_S)

    def _until_prompt(self, line: str) -> str:
        self.child.sendline(line)
        said = ""
        while True:
            found = self.child.expect([*QUESTIONS, re.escape(PROMPT)], timeout=LINE_S)
            said += f"{self.child.before}"
            if found == len(QUESTIONS):
                return said
            self.child.sendline(ANSWERS[found])


@pytest.fixture
def ports() -> dict[str, int]:
    """Free ones: the walk's own may be taken on this machine."""
    held = {name: socket.create_server(("127.0.0.1", 0)) for name in PORTS}
    found = {name: each.getsockname()[1] for name, each in held.items()}
    for each in held.values():
        each.close()
    return found


@pytest.fixture
def env(ports: dict[str, int], folder: Path) -> dict[str, str]:
    settings = {f"SUREFOOT_SERVER_{name.upper()}": str(port) for name, port in ports.items()}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    server = f"http://127.0.0.1:{ports['api_port']}"
    return {**kept, **settings, "TERM": "xterm", "SUREFOOT_SERVER": server, "SUREFOOT_AGENT_RESERVE_BYTES": "0"}


@pytest.fixture
def shells(folder: Path, env: dict[str, str]) -> Iterator[list[Shell]]:
    made = [Shell(folder, env), Shell(folder, env)]
    yield made
    for process in Path("/proc").glob("[0-9]*"):
        if _is_of(process, folder):
            os.kill(int(process.name), signal.SIGKILL)
    for each in made:
        each.child.close(force=True)
    shutil.rmtree(folder / "my", ignore_errors=True)


def _is_of(process: Path, folder: Path) -> bool:
    """Started by the walk: agent, guard, application and broker stand or were started in its folder."""
    try:
        return str(folder) in (process / "cmdline").read_text() or (process / "cwd").resolve().is_relative_to(folder)
    except (OSError, ValueError):
        return False


def test_the_walk_of_the_readme_ends_with_an_updated_device(shells: list[Shell], ports: dict[str, int]) -> None:
    keys, server, release, device, update = walked()
    here, there = shells

    def typed(line: str) -> str:
        for name, port in PORTS.items():
            line = line.replace(f":{port}", f":{ports[name]}")
        return here(line)

    for line in keys.commands:
        typed(line)
    there(server.commands[0])
    there.begin(server.commands[1], "token")
    for block in (release, device):
        for line in block.commands:
            typed(line)
    told = [typed(line) for line in update.commands]

    assert "cam-1" in told[-1]
    assert "1.1" in told[-1] or "1.1" in told[-2]
