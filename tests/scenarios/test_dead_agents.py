"""Whatever becomes of the agent in the middle of a trial, the guard brings the old release back.

Four real nodes take one update together. Each agent meets another end right after its switch; none may matter.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_simulators.demo import ambush
from surefoot_simulators.demo.node import Node
from tests.scenarios.conftest import OpenWorld

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ALL_AT_ONCE = Path(__file__).parent / "all_at_once.yaml"
HANGS = "import time\ntime.sleep(1e6)\n"
LOOPS = "import os, threading\ntimer = threading.Timer(2.0, os._exit, (1,))\ntimer.daemon = True\ntimer.start()\n"
"""Long enough to start and to look at the trial, too short for a soak."""


def broken(node: Node) -> None:
    node.break_agent()


def stopped(node: Node) -> None:
    assert node.agent.pid is not None
    os.kill(node.agent.pid, signal.SIGSTOP)


def hanging(node: Node) -> None:
    _possess(node, HANGS)


def looping(node: Node) -> None:
    _possess(node, LOOPS)


ENDS: Mapping[str, Callable[[Node], None]] = {
    "cam-01": broken,
    "cam-02": stopped,
    "cam-03": hanging,
    "cam-04": looping,
}


def _possess(node: Node, code: str) -> None:
    """Let every Python that is started as the agent run this first, and start the agent anew."""
    folder = node.spec.folder / "possessed"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    node.agent.set_env("PYTHONPATH", str(folder))
    node.agent.kill()


def _heal(node: Node) -> None:
    node.mend_agent()
    shutil.rmtree(node.spec.folder / "possessed", ignore_errors=True)
    if node.spec.device != "cam-02":
        node.agent.kill()
        return
    with contextlib.suppress(ProcessLookupError):  # one that froze inside the lock was ended by the guard
        if (pid := node.agent.pid) is not None:
            os.kill(pid, signal.SIGCONT)


def _strike_all(nodes: Mapping[str, Node], limit_s: float) -> set[str]:
    """Strike each agent at the first sight of its link on the new slot."""
    known = ambush.known_trials(nodes.values())
    struck: set[str] = set()
    until_s = time.monotonic() + limit_s
    while struck != set(nodes) and time.monotonic() < until_s:
        for device, node in nodes.items():
            if device not in struck and ambush.switched(node, known[device]) is not None:
                ENDS[device](node)
                struck.add(device)
        time.sleep(ambush.LOOK_S)
    return struck


def _went_back(folder: Path) -> bool:
    """The guard walked its way back to the end, on its own verdict."""
    trial = guard.load_record(folder, "trial")
    found = trial is not None and (trial["verdict"], trial["reason"], trial["finished"])
    return found == ("guard", "no_verdict", True)


def _runs_the_old(folder: Path) -> bool:
    record = guard.load_application(folder)
    return record is not None and guard.process_alive(record) and guard.current_slot(folder) == record.slot == "A"


def test_no_end_of_an_agent_keeps_a_release_without_a_verdict(open_world: OpenWorld) -> None:
    world = open_world(devices=len(ENDS), settings={"guard_budget_s": 40.0})
    nodes = world.fleet.nodes
    world.update(policy=ALL_AT_ONCE)

    assert _strike_all(nodes, 120.0) == set(ENDS)
    for node in nodes.values():
        folder = node.spec.component_dir
        world.wait(lambda folder=folder: _went_back(folder), f"the way back of {node.spec.device}", 120.0)  # type: ignore[misc]
        assert _runs_the_old(folder)
        assert guard.slot_states(folder) == {"A": "good", "B": "bad"}
    for node in nodes.values():
        _heal(node)

    for device in nodes:
        world.wait(lambda device=device: world.state(device) == "reverted", f"{device} to report it", 120.0)  # type: ignore[misc]
        last = world.last(device)
        assert last is not None
        assert last.reason == "no_verdict"
    assert all(_runs_the_old(node.spec.component_dir) for node in nodes.values())
