"""A device in two halves: every write that the helper does for the agent is an instant too, on roots and on data.

A share of the instants of each combination is tried, and all of them where SUREFOOT_CRASH_ALL is set (`make soak`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.loaders import LOADERS
from tests.crash.node import Back, End
from tests.crash.root import root_node
from tests.crash.scenes import DATA_SCENES, SCENES, Scene, undisturbed
from tests.crash.split import split_node
from tests.crash.split_trees import SplitTreeNode
from tests.crash.sweep import Recorder, Sweep

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
ROOT = Sweep("split", split_node(LOADERS["surefoot"]), 96)
DATA = Sweep("split data", SplitTreeNode, 48, "data.copy")


@pytest.mark.parametrize("back", Back, ids=[back.value for back in Back])
@pytest.mark.parametrize("how", End, ids=[how.value for how in End])
@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
def test_a_machine_in_two_halves_lands_on_its_feet_wherever_the_world_ends(
    tmp_path: Path, scene: Scene, how: End, back: Back, record_property: Recorder
) -> None:
    assert ROOT.broken(tmp_path, scene, how, back, record_property) == {}


@pytest.mark.parametrize("back", Back, ids=[back.value for back in Back])
@pytest.mark.parametrize("how", End, ids=[how.value for how in End])
@pytest.mark.parametrize("scene", DATA_SCENES, ids=[scene.name for scene in DATA_SCENES])
def test_the_data_of_a_device_in_two_halves_are_those_that_the_release_can_use(
    tmp_path: Path, scene: Scene, how: End, back: Back, record_property: Recorder
) -> None:
    assert DATA.broken(tmp_path, scene, how, back, record_property) == {}


def test_the_helpers_own_writes_are_instants_beside_those_of_an_agent_with_rights(tmp_path: Path) -> None:
    scene = SCENES[0]
    whole = undisturbed(tmp_path / "node", scene, root_node(LOADERS["surefoot"]))

    split = [instant.what for instant in ROOT.points(tmp_path, scene)]

    assert {what for what in whole if what.startswith("write dev/")} <= set(split)
    assert any("vault" in what for what in split)
