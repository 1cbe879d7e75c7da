"""What a real agent has loaded that is connected and has nothing to do: every entry costs memory on every camera."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LEFT_OUT = (
    "cryptography",
    "tuf",
    "securesystemslib",
    "urllib3",
    "zstandard",
    "hdiffpatch",
    "asyncio",
    "multiprocessing",
    "xml",
    "statistics",
    "fractions",
    "decimal",
    "surefoot_shared.identity",
    "surefoot_agent.doctor",
    "surefoot_agent.enrol",
    "surefoot_agent.fresh_pair",
    "surefoot_agent.golden",
    "surefoot_agent.provision",
    "surefoot_agent.trust_child",
    "surefoot_agent.privileged.steward",
)
"""Packages and modules that an idle agent never needs; what belongs to them is left out with them."""
IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s*(\S+)$", re.MULTILINE)


def test_an_agent_that_is_connected_and_said_hello_has_loaded_nothing_that_only_an_update_needs(
    open_world: OpenWorld,
) -> None:
    world = open_world()
    log: Path = world.node.agent.log
    known = len(log.read_text())
    world.node.agent.set_env("PYTHONPROFILEIMPORTTIME", "1")
    world.node.agent.kill()
    world.wait(lambda: "link_up" in log.read_text()[known:], "the agent to connect again")
    heard = _last_seen(world)

    world.wait(lambda: _last_seen(world) > heard, "a signed hello that the server took")

    loaded = set(IMPORTED.findall(log.read_text()[known:]))
    assert {"ssl", "sqlite3", "paho.mqtt.client", "psutil", "surefoot_agent.signer"} <= loaded, "what it does need"
    assert sorted(name for name in loaded if _belongs(name)) == []
    assert "_rust" not in Path(f"/proc/{world.node.agent.pid}/maps").read_text(), "nor is a library of it mapped"


def _belongs(name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in LEFT_OUT)


def _last_seen(world: World) -> datetime:
    return datetime.fromisoformat(str(world.server.api.get("/api/v1/devices/cam-01")["last_seen_at"]))
