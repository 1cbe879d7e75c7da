"""An identity is read whole or refused, and a key is its owner's alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_agent.identity import DEVICE_FACTS, load_identity, pair_of
from surefoot_shared.errors import ConfigError
from surefoot_shared.identity import generate_key, key_to_pem

FACTS = {
    "device": "cam-1",
    "hw": "rpi5",
    "server_url": "https://server:8443",
    "mqtt": {"host": "broker", "port": 8883, "protocol": 4},
}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "identity"
    folder.mkdir()
    (folder / DEVICE_FACTS).write_text(json.dumps(FACTS))
    (folder / "device.key").touch(0o600)
    (folder / "device.key").write_bytes(key_to_pem(generate_key()))
    return tmp_path


def test_what_enrolment_wrote_is_read(state_dir: Path) -> None:
    identity = load_identity(state_dir)

    assert (identity.device, identity.hw, identity.mqtt_host, identity.mqtt_protocol) == ("cam-1", "rpi5", "broker", 4)
    assert key_to_pem(identity.key()) == (state_dir / "identity" / "device.key").read_bytes()


def test_the_pair_that_counts_is_the_one_that_the_facts_name(state_dir: Path) -> None:
    folder = state_dir / "identity"
    (folder / "device-2.key").touch(0o600)
    (folder / DEVICE_FACTS).write_text(json.dumps({**FACTS, "pair": "device-2"}))

    assert load_identity(state_dir).key_file == folder / "device-2.key"


@pytest.mark.parametrize("facts", [{"pair": "../device"}, {"pair": ""}, {"pair": 7}])
def test_a_pair_that_is_no_plain_name_is_refused(facts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="name of the key pair"):
        pair_of(facts)


def test_a_state_folder_without_identity_is_not_enrolled(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_identity(tmp_path)

    assert caught.value.kind == "not_enrolled"


def test_a_key_that_others_can_read_is_refused(state_dir: Path) -> None:
    (state_dir / "identity" / "device.key").chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        load_identity(state_dir)

    assert caught.value.kind == "key_permissions"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"device": "a/b"}',
        '{"device":"a","hw":"b","server_url":"c","mqtt":{"host":"h","port":"x"}}',
    ],
)
def test_an_identity_file_that_makes_no_sense_is_named(state_dir: Path, text: str) -> None:
    (state_dir / "identity" / DEVICE_FACTS).write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_identity(state_dir)

    assert caught.value.kind == "config_unreadable"
