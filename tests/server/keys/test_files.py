"""Private keys on disk and the passphrase: each way they can be wrong has its own error."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys.files import read_key, read_passphrase, write_key
from surefoot_shared.errors import ConfigError
from surefoot_shared.trust.signing import new_signer

PASSPHRASE = b"correct horse"


def kind(caught: pytest.ExceptionInfo[ConfigError]) -> str:
    return caught.value.kind


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_that_was_written_is_read_back(tmp_path: Path, passphrase: bytes | None) -> None:
    signer = new_signer()

    path = write_key(tmp_path, "director", signer, passphrase)

    assert read_key(tmp_path, "director", passphrase).public_key == signer.public_key
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_offline_key_is_not_readable_without_its_passphrase(tmp_path: Path) -> None:
    path = write_key(tmp_path, "image-root", new_signer(), PASSPHRASE)

    assert b"ENCRYPTED" in path.read_bytes()
    for wrong in (None, b"wrong horse"):
        with pytest.raises(ConfigError) as caught:
            read_key(tmp_path, "image-root", wrong)
        assert kind(caught) == "config_invalid"
        assert str(path) in caught.value.message


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"director\.pem") as caught:
        read_key(tmp_path, "director")

    assert kind(caught) == "key_missing"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    write_key(tmp_path, "director", new_signer(), None).chmod(mode)

    with pytest.raises(ConfigError) as caught:
        read_key(tmp_path, "director")

    assert kind(caught) == "key_permissions"


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    write_key(tmp_path, "director", new_signer(), None).write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read_key(tmp_path, "director")

    assert kind(caught) == "config_invalid"


def test_the_passphrase_comes_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("correct horse\n")
    file.chmod(0o600)

    assert read_passphrase({"SUREFOOT_PASSPHRASE_FILE": str(file)}, None) == PASSPHRASE


def test_a_person_is_asked_where_no_file_is_named() -> None:
    assert read_passphrase({}, lambda: "correct horse") == PASSPHRASE


def test_where_nobody_can_be_asked_the_error_says_how_to_give_a_passphrase() -> None:
    with pytest.raises(ConfigError, match="SUREFOOT_PASSPHRASE_FILE"):
        read_passphrase({}, None)


def test_a_passphrase_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("correct horse")
    file.chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        read_passphrase({"SUREFOOT_PASSPHRASE_FILE": str(file)}, None)

    assert kind(caught) == "key_permissions"


def test_a_passphrase_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        read_passphrase({"SUREFOOT_PASSPHRASE_FILE": str(tmp_path / "nowhere")}, None)


@pytest.mark.parametrize("text", ["", "short"])
def test_a_short_passphrase_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="too short"):
        read_passphrase({}, lambda: text)
