"""`surefoot up`: options become settings, and what is wrong is said before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_server.cli.main import run
from surefoot_server.config import Settings
from surefoot_server.up import Ready

READY = Ready("http://127.0.0.1:1/", "https://localhost:2", "mosquitto", "localhost:3", "", Path("/data/token"))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings with which the server would run; the process edge is not crossed here."""
    found: list[Settings] = []

    def run_up(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
        found.append(settings)
        on_ready(READY)

    monkeypatch.setattr("surefoot_server.up.run_up", run_up)
    return found


def test_options_win_and_the_rest_keeps_its_default(
    started: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", "--data", str(tmp_path / "d"), "--keys", str(tmp_path / "k"), "--api-port", "8090"]) == 0

    assert (started[0].data_dir, started[0].api_port, started[0].mqtt_port) == (tmp_path / "d", 8090, 8883)
    assert "/data/token" in capsys.readouterr().out


def test_a_file_is_read_and_an_unknown_key_in_it_is_named(
    started: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "server.toml").write_text("api_prot = 8090\n")

    assert run(["up", "--config", str(tmp_path / "server.toml")]) == 2

    assert "api_prot" in capsys.readouterr().err
    assert started == []


def test_ports_that_collide_are_refused(started: list[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--api-port", "9000", "--mqtt-port", "9000"]) == 2
    assert "must differ" in capsys.readouterr().err


def test_a_port_out_of_range_is_told_with_the_range(
    started: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", "--api-port", "99999"]) == 2
    assert "port is 99999; allowed is 1 to 65535" in capsys.readouterr().err
