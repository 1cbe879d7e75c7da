"""A node is its configuration and two services; its bad luck happens to processes and files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent import config, guard
from surefoot_simulators.demo.node import Node, NodeSpec, environment

SLEEP = "import time; time.sleep(60)"


def wait_until(true: Callable[[], object], limit_s: float = 20.0) -> None:
    until_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(NodeSpec("cam-01", "rpi5", tmp_path / "cam-01", seed=7, settings={"guard_budget_s": 60.0}))
    yield made
    made.stop()


def run_application(node: Node) -> int:
    component = node.spec.component_dir
    slot = component / "slots" / "A"
    slot.mkdir(parents=True)
    spec = guard.AppSpec("A", (sys.executable, "-c", SLEEP), str(slot), {}, str(component / "app.log"))
    return guard.spawn_application(component, spec).pid


def lives(pid: int) -> bool:
    return guard.start_ticks(pid) is not None


def test_its_configuration_is_one_that_the_agent_reads(node: Node) -> None:
    settings = config.load(node.spec.config, env={})

    assert settings.state_dir == node.spec.state_dir
    assert settings.guard_budget_s == 60.0
    assert settings.app_env["SUREFOOT_HW"] == "rpi5"
    assert settings.app_env["CAMERA_SEED"] == "7"


def test_the_application_finds_the_python_that_has_numpy_first(node: Node) -> None:
    path = config.load(node.spec.config, env={}).app_env["PATH"]

    assert path.split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_its_services_see_nothing_of_the_caller_but_path_home_and_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_TOKEN_FILE", "/secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")

    assert environment().keys() <= {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONUNBUFFERED"}


def test_a_broken_agent_cannot_be_imported_and_a_mended_one_can(node: Node) -> None:
    probe = [sys.executable, "-c", "import paho.mqtt.client"]
    broken = node.spec.folder / "broken"

    node.break_agent()
    while_broken = subprocess.run(probe, env=environment({"PYTHONPATH": str(broken)}), capture_output=True, check=False)
    node.mend_agent()
    mended = subprocess.run(probe, env=environment({"PYTHONPATH": str(broken)}), capture_output=True, check=False)

    assert b"this installation is broken" in while_broken.stderr
    assert (while_broken.returncode, mended.returncode) == (1, 0)


def test_killing_ends_the_application_though_no_agent_runs(node: Node) -> None:
    pid = run_application(node)

    node.kill_agent_and_application()

    wait_until(lambda: not lives(pid))
    assert node.look().applications == 0


@pytest.mark.slow
def test_the_guard_is_restarted_after_a_kill_and_everything_ends_with_stop(node: Node) -> None:
    pid = run_application(node)
    node.start()
    wait_until(lambda: node.guard.alive)
    first = node.guard.pid

    node.guard.kill()
    wait_until(lambda: node.guard.alive and node.guard.pid != first)
    node.stop()

    assert node.guard.exits[0] == -signal.SIGKILL
    assert not node.guard.alive
    assert not node.agent.alive
    assert not lives(pid)
