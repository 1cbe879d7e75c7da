"""The operator's side: free ports, commands whose failure is said, and a server that cannot start says why."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from surefoot_simulators.demo.server import CommandFailed, Operator, Ports, Server, last_line, program


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(CommandFailed, match="surefoot-nothing is missing"):
        program("surefoot-nothing")


def test_the_passphrase_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    Operator(tmp_path, 1, tmp_path / "token")

    assert stat.S_IMODE((tmp_path / "passphrase").stat().st_mode) == 0o600


def test_the_last_line_of_a_missing_log_is_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\ntwo\n")

    assert last_line(tmp_path / "log") == "two"
    assert last_line(tmp_path / "nothing") == "it said nothing"


@pytest.mark.slow
def test_a_command_that_fails_raises_with_its_own_words(tmp_path: Path) -> None:
    operator = Operator(tmp_path, Ports.free().api, tmp_path / "token")

    with pytest.raises(CommandFailed, match="ended with"):
        operator.run("release", "publish", str(tmp_path / "nothing"))


@pytest.mark.slow
def test_a_server_without_keys_does_not_start_and_says_why(tmp_path: Path) -> None:
    server = Server(tmp_path, tmp_path / "no-keys", Ports.free())

    with pytest.raises(CommandFailed, match="key"):
        server.start()
    server.stop()

    assert not server.unit.alive


@pytest.mark.slow
def test_a_server_starts_stops_and_starts_again_on_the_same_data(tmp_path: Path) -> None:
    ports = Ports.free()
    operator = Operator(tmp_path, ports.api, tmp_path / "server" / "secrets" / "operator.token")
    operator.run("keys", "init", str(operator.keys))
    server = Server(tmp_path, operator.keys, ports)
    try:
        server.start()
        operator.cohort("everybody", "all")
        server.stop()
        server.start()

        assert server.api.devices() == {}
        assert "everybody" in operator.run("cohort", "list")
    finally:
        server.stop()
