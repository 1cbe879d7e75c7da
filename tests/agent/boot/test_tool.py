from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from surefoot_agent.boot import tool
from surefoot_shared.errors import InstallFailed


def script(folder: Path, text: str) -> str:
    file = folder / "tool"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_a_program_gets_its_input_and_gives_its_output(tmp_path: Path) -> None:
    assert tool.run((script(tmp_path, 'echo "$1|$2"; cat'), "a b", "$HOME"), "given\n") == "a b|$HOME\ngiven\n"


def test_a_program_sees_nothing_of_the_agents_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_AGENT_TOKEN", "secret")
    monkeypatch.setenv("LD_PRELOAD", "")

    shown = tool.run((script(tmp_path, "env"),))

    assert {line.partition("=")[0] for line in shown.splitlines()} <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo first >&2; echo no such slot >&2; exit 3", r"tool ended with 3: no such slot\."),
        ("echo not here. >&2; exit 2", r"tool ended with 2: not here\. \["),
        ("exit 1", r"tool ended with 1\."),
        ("kill -9 $$", r"tool ended with -9\."),
    ],
)
def test_how_a_program_ended_is_told_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InstallFailed, match=said) as caught:
        tool.run((script(tmp_path, text),))

    assert caught.value.kind == "boot_control_failed"


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(InstallFailed, match="nothing_of_that_name cannot be run: No such file"):
        tool.run(("nothing_of_that_name",))


@pytest.mark.parametrize(
    "text", ["sleep 60 & echo $! > child; sleep 60", "trap '' TERM; sleep 60 & echo $! > child; wait"]
)
def test_a_program_that_hangs_is_killed_with_all_it_started(tmp_path: Path, text: str) -> None:
    began = time.monotonic()

    with pytest.raises(InstallFailed, match=r"did not end within 0\.5 s"):
        tool.run((script(tmp_path, f"cd {tmp_path}; {text}"),), timeout_s=0.5)

    assert time.monotonic() - began < 20
    assert ended(int((tmp_path / "child").read_text()))


def test_what_a_program_leaves_running_does_not_write_after_it(tmp_path: Path) -> None:
    tool.run((script(tmp_path, f"sleep 60 > /dev/null 2>&1 & echo $! > {tmp_path}/child"),))

    assert ended(int((tmp_path / "child").read_text()))


def ended(pid: int) -> bool:
    """Say whether a killed process is gone; whoever inherits it may need a moment to ask for it."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
            os.sched_yield()
        except (FileNotFoundError, ProcessLookupError):
            return True
    return False
