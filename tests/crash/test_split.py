"""A root filesystem of a device in two halves: every write that the helper does for the agent is an instant too.

A share of the instants of each combination is tried, and all of them where SUREFOOT_CRASH_ALL is set (`make soak`).
"""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.loaders import LOADERS
from tests.crash.node import Back, End
from tests.crash.root import root_node
from tests.crash.scenes import SCENES, Instant, Scene, ended_at, instants, undisturbed
from tests.crash.split import split_node

Recorder = Callable[[str, object], None]
pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
SHARE = 1 if os.environ.get("SUREFOOT_CRASH_ALL") else 96
MAKE = split_node(LOADERS["surefoot"])


@functools.lru_cache
def points(folder: Path, scene: Scene) -> tuple[Instant, ...]:
    return tuple(instants(undisturbed(folder / "node", scene, MAKE)))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed")


@pytest.mark.parametrize("back", Back, ids=[back.value for back in Back])
@pytest.mark.parametrize("how", End, ids=[how.value for how in End])
@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
def test_a_machine_in_two_halves_lands_on_its_feet_wherever_the_world_ends(
    tmp_path: Path, folder: Path, scene: Scene, how: End, back: Back, record_property: Recorder
) -> None:
    every = points(folder, scene)
    tried = every[zlib.crc32(f"split {scene.name} {how} {back}".encode()) % SHARE :: SHARE]
    record_property("instants", len(tried))
    record_property("of", len(every))

    broken = {
        str(instant): promises
        for instant in tried
        if (promises := ended_at(tmp_path / "node", scene, MAKE, instant, how, back))
    }

    assert broken == {}
    assert len(every) > 100


def test_the_helpers_own_writes_are_instants_beside_those_of_an_agent_with_rights(tmp_path: Path, folder: Path) -> None:
    scene = SCENES[0]
    whole = undisturbed(tmp_path / "node", scene, root_node(LOADERS["surefoot"]))

    split = [instant.what for instant in points(folder, scene)]

    assert {what for what in whole if what.startswith("write dev/")} <= set(split)
    assert any("vault" in what for what in split)
