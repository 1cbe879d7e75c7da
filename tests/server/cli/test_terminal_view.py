"""`surefoot rollout status -w` at a terminal of its own: a living tree there, plain lines in a pipe."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pexpect
import pytest

from tests.server.cli.conftest import Operator
from tests.server.rollouts.fleet import Fleet

PROGRAM = ["-c", "from surefoot_server.cli.main import main; main()"]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WAIT_S = 30

pytestmark = pytest.mark.slow


@pytest.fixture
def watched(surefoot: Operator, fleet: Fleet) -> Fleet:
    fleet.start(policy="phases: [{name: canary, percent: 25, bake: 1h}, {name: rest, percent: 100, bake: 1h}]")
    return fleet


@pytest.fixture
def terminal(watched: Fleet) -> Iterator[pexpect.spawn]:
    arguments = [*PROGRAM, "rollout", "status", "r1", "-w"]
    env = {**os.environ, "TERM": "xterm-256color"}
    child = pexpect.spawn(
        sys.executable,
        arguments,
        env=env,
        dimensions=(40, 110),
        encoding="utf-8",
        timeout=WAIT_S,
        preexec_fn=interruptible,
    )
    yield child
    child.close(force=True)


def interruptible() -> None:
    """As a program of a terminal is: one that was started in the background would ignore ctrl-c, and so would this."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def text(child: pexpect.spawn) -> str:
    return ESCAPE.sub("", f"{child.before}{child.after}")


def test_the_tree_lives_until_the_end_which_is_the_answer(terminal: pexpect.spawn, watched: Fleet) -> None:
    terminal.expect("rest +pending")
    assert re.search(r"├─ +▶ canary +offering", text(terminal))

    watched.service.pause("r1", "ann", watched.now, "a storm")
    terminal.expect("a storm")
    assert re.search(r"State +paused", text(terminal))
    assert re.search(r"\x1b\[[0-9]*A", f"{terminal.before}"), "it is drawn over itself"

    watched.service.cancel("r1", "ann", watched.now, "enough")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 6


def test_ctrl_c_leaves_with_130_and_the_rollout_goes_on(terminal: pexpect.spawn, watched: Fleet) -> None:
    terminal.expect("rest +pending")

    terminal.sendintr()
    terminal.expect("Interrupted")
    terminal.expect(pexpect.EOF)
    terminal.wait()

    assert terminal.exitstatus == 130
    assert watched.rollout("r1").state == "running"


def test_without_a_terminal_there_are_plain_lines_and_no_escape(watched: Fleet) -> None:
    arguments = [sys.executable, *PROGRAM, "rollout", "status", "r1", "-w", "--timeout", "1s"]

    said = subprocess.run(arguments, capture_output=True, text=True, timeout=WAIT_S, check=False)

    assert said.returncode == 7
    assert "\x1b" not in said.stdout + said.stderr
    assert said.stderr.splitlines()[0].startswith("r1 running: ")
    assert said.stderr.splitlines()[-1].startswith("The time to wait is over")
