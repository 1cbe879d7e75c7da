"""Signers by URI: encrypted files, PKCS#11 tokens, and what is said where one cannot be used."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from securesystemslib.signer import Key

from surefoot_server.keys.files import write_key
from surefoot_server.keys.init import KeyPlan, init_keys
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.offline import delegated_components, read_targets
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.keys.quorum import parse_quorums
from surefoot_server.keys.signers import (
    KeyRing,
    name_of,
    named,
    online_signer,
    open_signer,
    read_signers,
    write_signers,
)
from surefoot_server.releases.sign import sign_release
from surefoot_shared.errors import ConfigError
from surefoot_shared.trust.signing import new_signer
from tests.server.keys.fleet import NOW, PASSPHRASE, Fleet

PIN = "5678"


def no_pin(_name: str) -> str:
    raise AssertionError("nobody may be asked")


def key(folder: Path, name: str, passphrase: bytes | None = PASSPHRASE) -> Key:
    signer = new_signer()
    write_key(folder, name, signer, passphrase)
    return named(signer.public_key, name)


def test_a_name_travels_with_a_key_and_leaves_its_id_alone() -> None:
    public = new_signer().public_key

    assert named(public, "first").keyid == public.keyid
    assert name_of(named(public, "first")) == "first"
    assert name_of(public) == public.keyid[:12]


def test_only_keys_that_the_role_lists_are_opened(tmp_path: Path) -> None:
    first = key(tmp_path / "offline", "image-root-1")
    key(tmp_path / "offline", "image-root-2", b"another passphrase")

    found = KeyRing(tmp_path, PASSPHRASE).signers("image-root", [first])

    assert [signer.public_key.keyid for signer in found] == [first.keyid]


def test_a_key_without_a_name_in_its_metadata_is_found_by_its_file(tmp_path: Path) -> None:
    signer = new_signer()
    write_key(tmp_path / "offline", "image-root", signer, PASSPHRASE)

    assert len(KeyRing(tmp_path, PASSPHRASE).signers("image-root", [signer.public_key])) == 1


def test_a_file_with_the_right_name_and_another_key_is_not_used(tmp_path: Path) -> None:
    first = key(tmp_path / "offline", "image-root-1")
    (tmp_path / "offline" / "image-root-1.pem").unlink()
    key(tmp_path / "offline", "image-root-1")

    assert KeyRing(tmp_path, PASSPHRASE).signers("image-root", [first]) == []


def test_the_passphrase_is_asked_for_once_and_only_where_it_is_needed(tmp_path: Path) -> None:
    asked: list[int] = []
    keys = [key(tmp_path / "offline", f"image-root-{n}") for n in (1, 2)]
    ring = KeyRing(tmp_path, lambda: asked.append(1) or PASSPHRASE)  # type: ignore[func-returns-value]

    ring.signers("image-root", [named(new_signer().public_key, "somebody-elses")])
    assert asked == []
    ring.signers("image-root", keys)
    ring.signers("image-root", keys)

    assert asked == [1]


def test_one_key_can_be_chosen_by_its_name(tmp_path: Path) -> None:
    one, two = (key(tmp_path / "offline", f"image-root-{n}") for n in (1, 2))

    found = KeyRing(tmp_path, PASSPHRASE, only="image-root-2").signers("image-root", [one, two])

    assert [signer.public_key.keyid for signer in found] == [two.keyid]


def test_keys_are_looked_for_in_the_persons_own_folder(tmp_path: Path) -> None:
    first = key(tmp_path / "stick", "image-root-1")

    assert KeyRing(tmp_path, PASSPHRASE).signers("image-root", [first]) == []
    assert KeyRing(tmp_path, PASSPHRASE, offline=(tmp_path / "stick",)).signers("image-root", [first])


def test_keys_toml_says_which_signers_there_are_besides_the_files(tmp_path: Path) -> None:
    first = key(tmp_path / "stick", "her-key")
    write_signers(tmp_path, {"image-root": (f"file2:{tmp_path / 'stick' / 'her-key.pem'}",)})

    assert KeyRing(tmp_path, PASSPHRASE).signers("image-root", [first])
    assert KeyRing(tmp_path, PASSPHRASE).signers("image-targets", [new_signer().public_key]) == []


def test_keys_toml_survives_being_written_and_read(tmp_path: Path) -> None:
    signers = {"image-root": ('hsm:1?label=First\'s "token"', "file2:a\\b.pem"), "halt": ("hv:halt",)}

    write_signers(tmp_path, signers)

    assert read_signers(tmp_path) == signers


def test_a_file_signer_that_is_encrypted_serves_offline_and_not_online(tmp_path: Path) -> None:
    key(tmp_path, "director")

    assert open_signer("file2:director.pem", tmp_path, lambda: PASSPHRASE, no_pin)
    with pytest.raises(ConfigError):
        open_signer("file2:director.pem", tmp_path, None, no_pin)


def test_an_unknown_scheme_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="smartcard") as caught:
        open_signer("smartcard:1", tmp_path, None, no_pin)

    assert "hsm" in caught.value.hint


@pytest.mark.parametrize(
    ("uri", "library"), [("hv:director", "vault"), ("awskms:alias/x", "aws"), ("gcpkms:projects/x", "gcp")]
)
def test_a_signer_whose_library_is_missing_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, library: str
) -> None:
    # What the signer's module notes as it is imported where the library is not there; here it may well be there.
    absent = f"securesystemslib.signer._{library}_signer.{library.upper()}_IMPORT_ERROR"
    monkeypatch.setattr(absent, "It is not installed.")

    with pytest.raises(ConfigError) as caught:
        open_signer(uri, tmp_path, None, no_pin)

    assert "pip install 'securesystemslib[" in caught.value.hint


def test_a_token_without_its_module_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYKCS11LIB", raising=False)

    with pytest.raises(ConfigError) as caught:
        open_signer("hsm:1?label=first", tmp_path, None, no_pin)

    assert caught.value.kind == "key_missing"
    assert "PYKCS11LIB" in caught.value.message


def test_somebody_elses_token_in_a_shared_keys_toml_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYKCS11LIB", raising=False)
    first = key(tmp_path / "offline", "image-root-1")
    write_signers(tmp_path, {"image-root": ("hsm:1?label=second",)})
    ring = KeyRing(tmp_path, PASSPHRASE)

    assert len(ring.signers("image-root", [first])) == 1
    assert "hsm:1?label=second" in ring.absent[0]


# A real token


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """One for all tests: the PKCS#11 module reads its configuration once in the life of a process."""
    with pytest.MonkeyPatch.context() as patch:
        yield Token(tmp_path_factory.mktemp("token"), patch)


class Token:
    """A SoftHSM2 token called `fleet`; every key on it is ECDSA P-256."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
        )
        (folder / "pin").write_text(PIN)
        (folder / "pin").chmod(0o600)
        self._folder, self._count = folder, 0
        monkeypatch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        monkeypatch.setenv("PYKCS11LIB", str(_module()))
        monkeypatch.setenv("SUREFOOT_PIN_FILE", str(folder / "pin"))
        self._run("--init-token", "--free", "--label", "fleet", "--so-pin", "1234", "--pin", PIN)

    def key(self) -> str:
        """Put a new key on the token; return its URI."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        self._count += 1
        number = self._count
        private = ec.generate_private_key(ec.SECP256R1())
        file = self._folder / f"{number}.p8"
        file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._run(
            "--import", str(file), "--token", "fleet", "--label", f"k{number}", "--id", f"{number:02x}", "--pin", PIN
        )
        file.unlink()
        return f"hsm:{number}?label=fleet"

    def _run(self, *arguments: str) -> None:
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, env=os.environ)


def _module() -> Path:
    places = [Path("/usr/lib/softhsm/libsofthsm2.so"), *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so")]
    return next(path for path in places if path.exists())


@pytest.mark.needs("softhsm2-util")
def test_a_release_key_on_a_token_signs_what_a_device_accepts(tmp_path: Path, token: Token) -> None:
    plan = KeyPlan(parse_quorums(["release=2/2"]), signers={"image-release": (token.key(),)})
    fleet = Fleet(tmp_path, plan=plan)

    wish = fleet.publish(fleet.built())

    assert fleet.decide(fleet.bundle(wish)).approved
    allowed = delegated_components(read_targets(KeyFolder(fleet.keys)))["app"]
    assert {each.keytype for each in allowed.keys} == {"ecdsa", "ed25519"}
    assert [path.stem for path in (fleet.keys / "offline").glob("image-release*")] == ["image-release-2"]


@pytest.mark.needs("softhsm2-util")
def test_the_servers_own_keys_can_be_on_a_token(tmp_path: Path, token: Token) -> None:
    signers = {"director": (token.key(),), "halt": (token.key(),)}
    fleet = Fleet(tmp_path, plan=KeyPlan(signers=signers))

    wish = fleet.publish(fleet.built())
    raw = fleet.online.halt(["a" * 64], fleet.now)

    assert fleet.decide(fleet.bundle(wish)).approved
    assert fleet.halt(raw)[1] == ("a" * 64,)
    assert not (fleet.data / "keys" / "director.pem").exists()
    assert online_signer(fleet.data / "keys", "director").public_key.keytype == "ecdsa"


@pytest.mark.needs("softhsm2-util")
def test_a_token_that_is_pulled_out_stops_a_signature_and_says_so(
    tmp_path: Path, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = KeyPlan(signers={"image-release": (token.key(),)})
    fleet = Fleet(tmp_path, plan=plan)
    release = fleet.built()
    monkeypatch.delenv("PYKCS11LIB")

    with pytest.raises(ConfigError) as caught:
        sign_release(release, fleet.keys, PASSPHRASE, NOW)

    assert caught.value.kind == "key_missing"
    assert "?label=fleet" in caught.value.message


@pytest.mark.needs("softhsm2-util")
def test_a_wrong_pin_signs_nothing(tmp_path: Path, token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = KeyPlan(signers={"image-release": (token.key(),)})
    init_keys(tmp_path / "keys", PASSPHRASE, NOW, plan=plan)
    (tmp_path / "pin").write_text("0000")
    (tmp_path / "pin").chmod(0o600)
    monkeypatch.setenv("SUREFOOT_PIN_FILE", str(tmp_path / "pin"))

    with pytest.raises(ConfigError):
        init_keys(tmp_path / "other", PASSPHRASE, NOW, plan=plan)

    assert not (tmp_path / "other").exists()


@pytest.mark.needs("softhsm2-util")
def test_a_server_with_another_token_than_its_roots_list_does_not_start(tmp_path: Path, token: Token) -> None:
    uri, other = token.key(), token.key()
    init_keys(tmp_path / "keys", PASSPHRASE, NOW, plan=KeyPlan(signers={"director": (uri,)}))
    write_signers(tmp_path / "keys", {"director": (other,)})
    installed = install_keys(tmp_path / "keys", tmp_path / "data")

    with pytest.raises(ConfigError) as caught:
        OnlineRepository(installed.repo_dir, installed.online_dir)

    assert caught.value.kind == "config_invalid"
