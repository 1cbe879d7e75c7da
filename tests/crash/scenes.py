"""What is played while the world ends: each scene prepares a node, and says how its attempt may end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared.release import DataHandling
from surefoot_shared.status import Outcome
from tests.crash.node import Back, End, Node


def healthy(node: Node) -> None:
    node.assign(node.wish("1.1", "a-1"))


def sick(node: Node) -> None:
    node.health.sick = {"1.1"}
    healthy(node)


def broken(node: Node) -> None:
    node.table.broken = {"1.1"}
    healthy(node)


def silent(node: Node) -> None:
    """Its checks never answer."""
    node.health.silent = {"1.1"}
    healthy(node)


FORWARD = DataHandling(forward=("run",), backward=("run",), irreversible=("run",))


def migrated(node: Node) -> None:
    publish(node, FORWARD)
    healthy(node)


def migrated_back(node: Node) -> None:
    publish(node, FORWARD)
    sick(node)


def backward_fails(node: Node) -> None:
    node.migrations.fails = {"backward"}
    migrated_back(node)


def publish(node: Node, data: DataHandling) -> None:
    """Let 1.1 be a release that changes the data."""
    for part in node.parts.values():
        part.publish("1.1", data)


@dataclass(frozen=True)
class Scene:
    name: str
    prepare: Callable[[Node], None]
    allowed: frozenset[Outcome]


SCENES = (
    Scene("healthy", healthy, frozenset({Outcome.COMMITTED})),
    Scene("sick", sick, frozenset({Outcome.REVERTED})),
    Scene("broken", broken, frozenset({Outcome.REVERTED})),
    Scene("silent", silent, frozenset({Outcome.REVERTED})),
)


DATA_SCENES = (
    Scene("migrated", migrated, frozenset({Outcome.COMMITTED})),
    Scene("migrated back", migrated_back, frozenset({Outcome.REVERTED})),
    Scene("backward fails", backward_fails, frozenset({Outcome.REVERTED})),
)


@dataclass(frozen=True)
class Instant:
    """A point of a scene: its number, what would have come next, and whether half of it arrives."""

    number: int
    what: str
    torn: bool


def instants(trace: list[str]) -> Iterator[Instant]:
    for number, what in enumerate(trace, 1):
        yield Instant(number, what, False)
        if what.startswith("write "):
            yield Instant(number, what, True)


def prepared(folder: Path, scene: Scene, make: Callable[[Path], Node]) -> Node:
    for left in (folder, folder.with_name(f"{folder.name}.grave")):
        shutil.rmtree(left, ignore_errors=True)
    node = make(folder)
    scene.prepare(node)
    return node


def undisturbed(folder: Path, scene: Scene, make: Callable[[Path], Node]) -> list[str]:
    """The points of a run that nothing disturbs."""
    node = prepared(folder, scene, make)
    with closing(node):
        assert node.run() is not None
        assert node.broken_promises(set(scene.allowed)) == []
        assert node.medium.bypassed == [], "a write without a crash point"
        return list(node.medium.trace)


def ended_at(
    folder: Path, scene: Scene, make: Callable[[Path], Node], instant: Instant, how: End, back: Back
) -> list[str]:
    """End the world at an instant, let the device come back, and return the promises that it broke."""
    with closing(prepared(folder, scene, make)) as node:
        if node.run(instant.number, instant.torn) is not None:
            return ["the world did not end"]
        node.end(how, seed=instant.number)
        if back is not Back.AGENT:
            node.guard()
        if back is Back.GUARD_ALONE:
            return node.broken_without_an_agent(how)
        if node.run() is None:
            return ["the world ended again"]
        gone_back = {Outcome.REVERTED} if back is Back.GUARD_FIRST else set()
        return node.broken_promises({*scene.allowed, *gone_back}) + ([] if node.is_idle() else ["it is not idle"])
