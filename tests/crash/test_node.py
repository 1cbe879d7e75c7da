"""The directory slot behind the link, whole: the world ends at every instant of an update and of a revert.

Every write, truncation, rename, link, removal, fsync, commit of the journal, and every start and stop of a process is
an instant. The next agent (or first the guard, where the agent stays away) finds what was left, and the device ends on
the old or on the new release, whole, running, and tells the server one outcome. Where no agent ever comes back, the
guard leaves nothing in place that was not found healthy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.node import Back, End, Node
from tests.crash.scenes import DATA_SCENES, SCENES, Scene
from tests.crash.sweep import Recorder, Sweep

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
SWEEP = Sweep("directory", Node)
DATA_SWEEP = Sweep("directory with data", Node, 48, "data.copy")


@pytest.mark.parametrize("back", Back, ids=[back.value for back in Back])
@pytest.mark.parametrize("how", End, ids=[how.value for how in End])
@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
def test_the_device_lands_on_its_feet_wherever_the_world_ends(
    tmp_path: Path, scene: Scene, how: End, back: Back, record_property: Recorder
) -> None:
    assert SWEEP.broken(tmp_path, scene, how, back, record_property) == {}


@pytest.mark.parametrize("back", Back, ids=[back.value for back in Back])
@pytest.mark.parametrize("how", End, ids=[how.value for how in End])
@pytest.mark.parametrize("scene", DATA_SCENES, ids=[scene.name for scene in DATA_SCENES])
def test_its_data_are_those_that_the_release_can_use_wherever_the_world_ends(
    tmp_path: Path, scene: Scene, how: End, back: Back, record_property: Recorder
) -> None:
    assert DATA_SWEEP.broken(tmp_path, scene, how, back, record_property) == {}
