"""Peers are real processes, stopped at the end, and named where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_simulators.bench import peers
from surefoot_simulators.bench.process import rss_mib


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "SETTLE_S", 0.5)


def test_a_daemon_that_is_not_installed_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(peers.shutil, "which", lambda program: None)

    with peers.running_peers(tmp_path) as (pids, absent):
        assert set(pids) == set(peers.PYTHON)

    assert absent == [
        "mender 3.4 daemon is not installed (apt-get install mender-client)",
        "rauc service is not installed (apt-get install rauc-service)",
    ]


def test_peers_run_while_they_are_measured_and_are_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(peers, "DEBIAN", {})

    with peers.running_peers(tmp_path) as (pids, _):
        assert all(rss_mib(pid) > 5 for pid in pids.values())

    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())


def test_a_peer_that_does_not_stay_up_gets_no_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "mender"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(peers, "DEBIAN", {"mender 3.4 daemon": ("mender", "mender-client")})
    monkeypatch.setattr(peers, "PYTHON", {})

    with peers.running_peers(tmp_path) as (pids, absent):
        assert pids == {}

    assert len(absent) == 1
    assert "did not stay up" in absent[0]
