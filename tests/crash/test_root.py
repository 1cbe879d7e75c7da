"""A root filesystem in image slots behind each bootloader: the world ends at instants of an update and of a revert.

A switch is a restart of the machine, so there is one more way to end: nothing starts any more. Every combination tries
a share of its instants, another share each, and all of them where SUREFOOT_CRASH_ALL is set (`make soak`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot_agent import effects
from surefoot_agent import events as e
from surefoot_agent.boot.environment import Environment
from surefoot_agent.sight import Hands
from tests.crash.loaders import LOADERS
from tests.crash.node import Back, End
from tests.crash.root import root_node
from tests.crash.scenes import SCENES, Scene, ended_at, instants, undisturbed
from tests.crash.sweep import Recorder, Sweep

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
SWEEPS = {name: Sweep(name, root_node(loader), 24) for name, loader in LOADERS.items()}


@pytest.mark.parametrize("back", Back, ids=[back.value for back in Back])
@pytest.mark.parametrize("how", End, ids=[how.value for how in End])
@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
@pytest.mark.parametrize("loader", LOADERS)
def test_the_machine_lands_on_its_feet_wherever_the_world_ends(
    tmp_path: Path, loader: str, scene: Scene, how: End, back: Back, record_property: Recorder
) -> None:
    assert SWEEPS[loader].broken(tmp_path, scene, how, back, record_property) == {}


@pytest.mark.parametrize("loader", LOADERS)
def test_a_write_of_boot_control_past_the_points_is_found(
    tmp_path: Path, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import _io

    right = effects.arm

    def past(hands: Hands, *given: Any) -> e.Event:
        with _io.open(hands.component_dir / "note", "wb") as file:
            file.write(b"x")
        return right(hands, *given)

    monkeypatch.setattr(effects, "arm", past)

    with pytest.raises(AssertionError, match="without a crash point"):
        undisturbed(tmp_path / "node", SCENES[0], root_node(LOADERS[loader]))


def test_an_environment_that_is_not_synced_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Environment, "sync", lambda self: None)
    make = root_node(LOADERS["surefoot"])

    def broken() -> Iterator[list[str]]:
        for instant in instants(undisturbed(tmp_path / "node", SCENES[0], make)):
            try:
                yield ended_at(tmp_path / "node", SCENES[0], make, instant, End.POWER, Back.AGENT)
            except Exception as error:  # the bug may as well crash the agent
                yield [repr(error)]

    assert any(broken())
