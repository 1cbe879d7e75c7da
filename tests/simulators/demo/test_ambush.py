"""A switch is caught between trial and verdict, once, and only a new one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_simulators.demo.ambush import armed, known_trials, switched, wait_for
from surefoot_simulators.demo.node import Node, NodeSpec


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(NodeSpec("cam-01", "rpi5", tmp_path / "cam-01"))
    made.spec.component_dir.mkdir(parents=True)
    guard.point_current(made.spec.component_dir, "A")
    return made


def arm(node: Node, assignment: str, verdict: str | None = None) -> None:
    trial = {"assignment": assignment, "attempt": 1, "previous": "A", "slot": "B", "verdict": verdict}
    guard.save_record(node.spec.component_dir, "trial", trial)


def test_nothing_is_caught_before_a_trial(node: Node) -> None:
    assert armed(node, None) is None
    assert wait_for([node], {}, armed, lambda _: None, 0.05) is None


def test_a_trial_is_caught_before_and_after_the_link_moves(node: Node) -> None:
    arm(node, "a1")
    before = armed(node, None)

    guard.point_current(node.spec.component_dir, "B")
    after = armed(node, None)

    assert before is not None
    assert after is not None
    assert [(c.old_slot, c.new_slot, c.link) for c in (before, after)] == [("A", "B", "A"), ("A", "B", "B")]


def test_a_switch_is_caught_only_once_the_link_moved(node: Node) -> None:
    arm(node, "a1")
    before = switched(node, None)

    guard.point_current(node.spec.component_dir, "B")

    assert before is None
    assert switched(node, None) is not None


@pytest.mark.parametrize("verdict", ["healthy", "unhealthy", "guard"])
def test_a_trial_with_a_verdict_is_over(node: Node, verdict: str) -> None:
    arm(node, "a1", verdict)

    assert armed(node, None) is None


def test_a_trial_of_an_earlier_update_is_not_caught_again(node: Node) -> None:
    arm(node, "a1")
    known = known_trials([node])

    assert armed(node, known["cam-01"]) is None

    arm(node, "a2")
    assert armed(node, known["cam-01"]) is not None


def test_the_act_happens_on_the_node_that_was_caught(node: Node, tmp_path: Path) -> None:
    other = Node(NodeSpec("cam-02", "rpi5", tmp_path / "cam-02"))
    hit: list[str] = []
    threading.Timer(0.05, arm, (node, "a1")).start()

    caught = wait_for([other, node], {}, armed, lambda n: hit.append(n.spec.device), 10.0)

    assert caught is not None
    assert hit == ["cam-01"]
