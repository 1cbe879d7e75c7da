"""The fleet: three hardware types, one street each, nothing shared, and enrolments that fail say why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from surefoot_agent import config
from surefoot_simulators.demo.fleet import HARDWARE, Fleet, enrol
from surefoot_simulators.demo.server import CommandFailed, Ports


def test_each_hardware_has_its_share_and_each_node_its_own_folder_port_and_street(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 12, {})

    assert Counter(fleet.hardware.values()) == dict.fromkeys(HARDWARE, 4)
    assert len({node.spec.state_dir for node in fleet}) == 12
    assert len({node.spec.seed for node in fleet}) == 12
    assert len({config.load(node.spec.config, env={}).metrics_port for node in fleet}) == 12


def test_settings_reach_every_agent(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3, {"guard_budget_s": 50.0})

    assert {config.load(node.spec.config, env={}).guard_budget_s for node in fleet} == {50.0}


def test_a_fleet_that_never_started_has_nothing_on_its_disks_and_stops(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3, {})

    fleet.stop()

    assert [seen.running for seen in fleet.look().values()] == [None, None, None]


@pytest.mark.slow
def test_an_enrolment_without_a_server_says_so_and_leaves_no_token_on_disk(tmp_path: Path) -> None:
    node = next(iter(Fleet(tmp_path, 1, {})))
    bootstrap = tmp_path / "bootstrap"
    bootstrap.mkdir()

    with pytest.raises(CommandFailed, match="cam-01 could not enrol"):
        enrol(node, f"https://localhost:{Ports.free().device}", bootstrap, "token", None)

    assert not list(node.spec.folder.glob("*.token"))
