"""Worlds for scenarios: the keys and releases are made once, each bad day gets its own server and nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.scenarios.world import Ground, World

OpenWorld = Callable[..., World]


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground")).make()


@pytest.fixture
def open_world(ground: Ground, tmp_path: Path) -> Iterator[OpenWorld]:
    """Open worlds that end with the test."""
    worlds: list[World] = []

    def make(devices: int = 1, settings: Mapping[str, float] | None = None) -> World:
        world = World(ground, tmp_path / f"world-{len(worlds)}", devices, settings)
        worlds.append(world)
        return world.open()

    yield make
    for world in worlds:
        world.close()


@pytest.fixture(scope="module")
def calm(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for tests that leave it as they found it: two nodes on 1.0, and 2.0 published for the first alone."""
    world = World(ground, tmp_path_factory.mktemp("calm"), 2)
    try:
        world.open().operator.publish(ground.release("2.0"))
        yield world
    finally:
        world.close()
