"""Settings: later sources win, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.config import SETTINGS, Settings, load
from surefoot_shared.errors import ConfigError


def test_without_anything_the_defaults_hold() -> None:
    assert load(dirs=(), env={}) == Settings()


def test_later_sources_win(tmp_path: Path) -> None:
    first, second = tmp_path / "usr", tmp_path / "etc"
    for folder in (first, second):
        folder.mkdir()
    (first / "10.toml").write_text('api_port = 1001\nmqtt_port = 1002\npublic_host = "a"\n')
    (second / "10.toml").write_text("mqtt_port = 2002\n")

    settings = load(dirs=(first, second), env={"SUREFOOT_SERVER_PUBLIC_HOST": "b"}, given={"device_port": 3003})

    assert (settings.api_port, settings.mqtt_port, settings.public_host) == (1001, 2002, "b")
    assert settings.device_port == 3003


def test_what_the_command_line_leaves_open_changes_nothing() -> None:
    assert load(dirs=(), env={}, given={"api_port": None}).api_port == Settings().api_port


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("api_prot = 1", "config_unknown_key", "api_prot"),
        ('api_port = "8080"', "config_invalid", "api_port"),
        ("api_port = 70000", "config_invalid", "1 to 65535"),
        ("api_port = true", "config_invalid", "api_port"),
        ("tick_s = nan", "config_invalid", "tick_s"),
        ('log_level = "LOUD"', "config_invalid", "one of DEBUG"),
        ('public_host = "https://cams.example"', "config_invalid", "public_host"),
        ("api_port = 8443", "config_invalid", "must differ"),
        ("= 3", "config_unreadable", "no TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, kind: str, named: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text)

    with pytest.raises(ConfigError) as refused:
        load(file, env={})

    assert refused.value.kind == kind
    assert named in refused.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load(tmp_path / "nowhere.toml", env={})


@pytest.mark.parametrize(("name", "value"), [("SUREFOOT_SERVER_PORT", "1"), ("SUREFOOT_SERVER_API_PORT", "many")])
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load(dirs=(), env={name: value})


def test_an_unknown_key_comes_with_what_was_perhaps_meant() -> None:
    with pytest.raises(ConfigError) as refused:
        load(dirs=(), env={"SUREFOOT_SERVER_MQTT": "1"})

    assert "mqtt_port" in refused.value.hint


@pytest.mark.parametrize(
    ("host", "listen", "bind"),
    [
        ("localhost", "", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("cams.example", "", "0.0.0.0"),
        ("cams.example", "10.0.0.1", "10.0.0.1"),
        ("::1", "", "::1"),
    ],
)
def test_listeners_reach_as_far_as_the_announced_host(host: str, listen: str, bind: str) -> None:
    assert Settings(public_host=host, listen=listen).bind == bind


def test_every_setting_has_unit_and_sentence_and_a_default_in_range() -> None:
    for setting in SETTINGS:
        assert setting.unit
        assert setting.meaning.endswith(".")
        if isinstance(setting.default, (int, float)):
            assert setting.low is not None
            assert setting.high is not None
            assert setting.low <= setting.default <= setting.high


def test_an_address_with_colons_stands_in_brackets_in_a_url() -> None:
    assert Settings(public_host="fd00::1").blobs_url == "https://[fd00::1]:8443/api/v1/blobs/"
