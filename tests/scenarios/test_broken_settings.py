"""Somebody breaks the settings of a device in the field: the server is told what is wrong, until it is mended."""

from __future__ import annotations

import subprocess

import pytest

from surefoot_simulators.demo.node import environment
from surefoot_simulators.demo.server import program
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def attention(world: World) -> tuple[str | None, str]:
    device = world.server.api.get("/api/v1/devices/cam-01")
    kind = device["attention"]
    return (None if kind is None else str(kind)), str(device["attention_message"] or "")


def test_a_device_whose_settings_are_broken_says_so_and_is_well_when_they_are_mended(open_world: OpenWorld) -> None:
    world = open_world()
    world.node.agent.stop()
    file = world.node.spec.config
    good = file.read_text()
    file.write_text(f"colour = 1\n{good}")
    command = [program("surefoot-agent"), "run", "--config", str(file)]

    runs = [
        subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=90, check=False)
        for _ in range(2)
    ]

    sentence = f"{file} has the unknown key colour."
    assert [(run.returncode, run.stderr.count(sentence), run.stdout) for run in runs] == [(2, 1, "")] * 2
    world.wait(lambda: attention(world)[0] == "configuration", "the server to be told")
    assert f"The agent does not start: {sentence}" in attention(world)[1]
    assert not world.server.api.devices()["cam-01"].online
    file.write_text(good)
    world.node.agent.start()
    world.wait(lambda: attention(world)[0] is None and world.server.api.devices()["cam-01"].online, "the end of it")
