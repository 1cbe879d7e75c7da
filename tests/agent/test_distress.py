"""Broken settings: what is told, how often, and what is left alone. The way to a server is in the scenarios."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_agent import distress
from surefoot_agent.config import Settings
from surefoot_agent.distress import TOLD, over, state_dir_of, tell
from surefoot_agent.journal import open_journal
from surefoot_agent.node import JOURNAL, only_one
from surefoot_shared.errors import ConfigError
from surefoot_shared.identity import generate_key, key_to_pem
from surefoot_shared.messages import Event, EventKind

BROKEN = ConfigError("config_unknown_key", "/etc/a.toml has the unknown key colour.", "Did you mean component?")


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distress, "LIMIT_S", 0.0)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Of a device that is enrolled with a server that is away."""
    folder = tmp_path / "state"
    (folder / "identity").mkdir(parents=True)
    mqtt = {"host": "127.0.0.1", "port": 9, "protocol": 5}
    facts = {"device": "cam-1", "hw": "rpi5", "server_url": "https://127.0.0.1:9", "mqtt": mqtt}
    (folder / "identity/device.json").write_text(json.dumps(facts))
    (folder / "identity/device.key").touch(0o600)
    (folder / "identity/device.key").write_bytes(key_to_pem(generate_key()))
    return folder


def config(folder: Path, text: str) -> Path:
    (folder / "agent.toml").write_text(text)
    return folder / "agent.toml"


def waiting(state_dir: Path) -> list[Event]:
    journal = open_journal(state_dir / JOURNAL)
    try:
        return list(journal.waiting(0, 100))
    finally:
        journal.close()


def test_the_sentence_waits_in_the_outbox_for_a_server_that_is_away(state_dir: Path, tmp_path: Path) -> None:
    tell(BROKEN, config(tmp_path, f'state_dir = "{state_dir}"\ncolour = 1\n'), {})

    (event,) = waiting(state_dir)
    assert (event.device, event.kind, event.reason) == ("cam-1", EventKind.NOTICE, "config_unknown_key")
    assert event.message.startswith("The agent does not start: /etc/a.toml has the unknown key colour.")


def test_a_supervisor_that_starts_it_again_and_again_makes_no_flood(state_dir: Path, tmp_path: Path) -> None:
    file = config(tmp_path, f'state_dir = "{state_dir}"\ncolour = 1\n')

    for _ in range(3):
        tell(BROKEN, file, {})
    tell(ConfigError("config_invalid", "port is 0."), file, {})

    assert [event.reason for event in waiting(state_dir)] == ["config_unknown_key", "config_invalid"]


def test_an_agent_that_starts_well_says_that_it_is_over_and_once(state_dir: Path) -> None:
    tell(BROKEN, None, {"SUREFOOT_AGENT_STATE_DIR": str(state_dir)}, ())
    journal = open_journal(state_dir / JOURNAL)

    over(state_dir, "cam-1", journal)
    over(state_dir, "cam-1", journal)
    journal.close()

    assert [event.reason for event in waiting(state_dir)] == ["config_unknown_key", "usable_again"]
    tell(BROKEN, None, {"SUREFOOT_AGENT_STATE_DIR": str(state_dir)}, ())
    assert len(waiting(state_dir)) == 3, "the same mistake, made again, is told again"


def test_a_device_that_was_never_enrolled_gets_no_folder(tmp_path: Path) -> None:
    tell(BROKEN, config(tmp_path, f'state_dir = "{tmp_path}/nowhere"\n'), {})

    assert not (tmp_path / "nowhere").exists()


def test_beside_an_agent_that_runs_nothing_is_touched(state_dir: Path) -> None:
    with only_one(state_dir):
        tell(BROKEN, None, {"SUREFOOT_AGENT_STATE_DIR": str(state_dir)}, ())

    assert not (state_dir / TOLD).exists()
    assert not (state_dir / JOURNAL).exists()


@pytest.mark.parametrize("file", ["identity/device.json", "identity/device.key"])
def test_credentials_that_cannot_be_used_are_left_as_they_are_and_raise_nothing(
    state_dir: Path, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    (state_dir / file).write_bytes(b"\0broken" * 1000)

    tell(BROKEN, None, {"SUREFOOT_AGENT_STATE_DIR": str(state_dir)}, ())

    assert (state_dir / file).read_bytes() == b"\0broken" * 1000
    assert "distress_not_told" in caplog.text


def test_the_folder_is_what_the_readable_sources_say(tmp_path: Path) -> None:
    for name, text in (
        ("1.toml", 'state_dir = "/one"'),
        ("2.toml", "state_dir = [broken"),
        ("3.toml", "[app_env]"),
        ("4.toml", "state_dir = 7"),
    ):
        (tmp_path / name).write_text(text)
    default = Settings().state_dir

    assert state_dir_of(tmp_path / "1.toml", {}) == Path("/one")
    assert state_dir_of(tmp_path / "2.toml", {}) == state_dir_of(tmp_path / "4.toml", {}) == default
    assert state_dir_of(tmp_path / "gone.toml", {}) == state_dir_of(None, {}, ()) == default
    (tmp_path / "4.toml").unlink()
    assert state_dir_of(None, {}, (tmp_path,)) == Path("/one")
    assert state_dir_of(None, {"SUREFOOT_AGENT_STATE_DIR": "/two"}, (tmp_path,)) == Path("/two")
    assert state_dir_of(None, {"SUREFOOT_AGENT_STATE_DIR": "two"}, (tmp_path,)) == default
