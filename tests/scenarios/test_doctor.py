"""The whole way on real parts: the doctor beside a running agent, without it, from afar, and with the server away."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

import pytest

from surefoot_simulators.demo.node import environment
from surefoot_simulators.demo.server import program
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Told:
    code: int
    ok: dict[str, bool]
    words: dict[str, str]


def doctor(world: World) -> Told:
    command = [program("surefoot-agent"), "doctor", "--json", "--config", str(world.node.spec.config)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=90, check=False)
    found = json.loads(done.stdout)
    return Told(done.returncode, {f["name"]: f["ok"] for f in found}, {f["name"]: f["message"] for f in found})


def test_a_doctor_finds_everything_well_and_leaves_the_agent_its_connection(open_world: OpenWorld) -> None:
    world = open_world()

    told = doctor(world)
    afar = world.operator.run("device", "doctor", "cam-01")

    assert (told.code, [name for name, ok in told.ok.items() if not ok]) == (0, []), told.words
    assert {"token", "artifacts", "mqtt", "broker-tls", "server-tls"} <= set(told.ok)
    assert "ok    mqtt" in afar
    assert world.server.api.devices()["cam-01"].online


def test_a_doctor_says_what_fails_while_the_server_is_away(open_world: OpenWorld) -> None:
    world = open_world()
    world.node.stop()
    world.server.stop()

    told = doctor(world)

    assert told.code == 1
    assert (told.ok["identity"], told.ok["server-tcp"], told.ok["broker-tcp"]) == (True, False, False)
    assert "refuses port" in told.words["broker-tcp"]
