"""Catch a device in the middle of its switch, by its trial record and its link, and act at that instant.

Promises: it looks every few milliseconds and acts within one look; it reads two small files of the device and asks
neither agent nor server, so it cannot disturb what it waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from surefoot_agent import guard
from surefoot_simulators.demo import disk
from surefoot_simulators.demo.node import Node

LOOK_S = 0.005


@dataclass(frozen=True)
class Caught:
    """A node whose trial has begun and has no verdict; `link` is where `current` pointed at the last look."""

    node: Node
    old_slot: str
    new_slot: str
    link: str | None


def armed(node: Node, known: str | None) -> Caught | None:
    """Return the node's open trial if it is another than `known`; the link may or may not have moved yet."""
    trial = disk.trial_of(node.spec.component_dir)
    if trial is None or trial.get("verdict") is not None or trial.get("finished") or _name(trial) == known:
        return None
    link = guard.current_slot(node.spec.component_dir)
    return Caught(node, str(trial["previous"]), str(trial["slot"]), link)


def switched(node: Node, known: str | None) -> Caught | None:
    """As `armed`, but only once the link points to the new slot."""
    caught = armed(node, known)
    return caught if caught is not None and caught.link == caught.new_slot else None


def known_trials(nodes: Iterable[Node]) -> dict[str, str | None]:
    """The trials that the nodes have now, so that only a newer one is caught."""
    trials = {node.spec.device: disk.trial_of(node.spec.component_dir) for node in nodes}
    return {device: _name(trial) if trial is not None else None for device, trial in trials.items()}


def wait_for(
    nodes: Iterable[Node],
    known: Mapping[str, str | None],
    look: Callable[[Node, str | None], Caught | None],
    act: Callable[[Node], None],
    limit_s: float,
) -> Caught | None:
    """Look at the nodes until one is caught, then act on it at once; None where nothing came within `limit_s`."""
    watched, until_s = tuple(nodes), time.monotonic() + limit_s
    while time.monotonic() < until_s:
        for node in watched:
            caught = look(node, known.get(node.spec.device))
            if caught is not None:
                act(node)
                return caught
        time.sleep(LOOK_S)
    return None


def _name(trial: Mapping[str, object]) -> str:
    return f"{trial.get('assignment')}/{trial.get('attempt')}"
