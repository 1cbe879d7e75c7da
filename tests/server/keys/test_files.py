"""Private keys on disk and the passphrase: each way they can be wrong has its own error."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys.files import new_personal_key, read_key, read_passphrase, read_pin, read_public, write_key
from surefoot_shared.errors import ConfigError, Invalid
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


def test_a_personal_key_comes_with_a_public_half_to_hand_out(tmp_path: Path) -> None:
    private, public = new_personal_key(tmp_path, "first", b"a long passphrase")

    assert read_public(public).keyid == read_key(tmp_path, "first", b"a long passphrase").public_key.keyid
    assert private.stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in public.read_bytes()


def test_a_personal_key_is_never_overwritten(tmp_path: Path) -> None:
    new_personal_key(tmp_path, "first", b"a long passphrase")

    with pytest.raises(ConfigError):
        new_personal_key(tmp_path, "first", b"a long passphrase")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65])
def test_a_key_cannot_be_called_like_that(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid):
        new_personal_key(tmp_path, name, b"a long passphrase")


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_public_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pub").write_bytes(content)

    with pytest.raises(ConfigError, match=r"x\.pub"):
        read_public(tmp_path / "x.pub")


def test_a_public_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.pub"):
        read_public(tmp_path / "gone.pub")


def test_a_pin_comes_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.touch(0o600)
    file.write_text("1234\n")

    assert read_pin({"SUREFOOT_PIN_FILE": str(file)}) == "1234"
    file.chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        read_pin({"SUREFOOT_PIN_FILE": str(file)})
    assert caught.value.kind == "key_permissions"


def test_without_a_pin_nobody_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_pin({})

    assert "SUREFOOT_PIN_FILE" in caught.value.hint
