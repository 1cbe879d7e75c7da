"""The signer of the running agent makes what the server opens, and refuses what the library of keys refuses."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from surefoot_agent import openssl
from surefoot_agent.signer import signer_of
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.identity import generate_key, key_to_pem, open_sealed
from surefoot_shared.seals import SealKind, sealed_by

TRADITIONAL, PKCS8 = serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8


def spoilt_inside() -> bytes:
    """A key that reads well and whose private half lost a bit."""
    der = bytearray(generate_key().private_bytes(serialization.Encoding.DER, PKCS8, serialization.NoEncryption()))
    der[der.index(b"\x04\x20") + 10] ^= 1
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"


def pem_of(key: PrivateKeyTypes, shape: serialization.PrivateFormat = PKCS8, password: bytes = b"") -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, shape, hidden)


@pytest.fixture(params=["python's openssl", "the library of keys"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to sign keep the same promises."""
    if request.param != "python's openssl":
        monkeypatch.setattr(openssl, "signer", lambda der: None)
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", [0, 1, 200, 100_000])
def test_a_signature_is_opened_by_the_server(size: int) -> None:
    key = generate_key()
    sign = signer_of(key_to_pem(key))

    sealed = sealed_by(sign, SealKind.HELLO, b"x" * size)

    assert open_sealed(SealKind.HELLO, sealed, key.public_key()) == b"x" * size
    with pytest.raises(Invalid):
        open_sealed(SealKind.HELLO, sealed, generate_key().public_key())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no key",
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ec.generate_private_key(ec.SECP256K1())),
        pem_of(ed25519.Ed25519PrivateKey.generate()),
        pem_of(rsa.generate_private_key(65537, 2048)),
        pem_of(generate_key(), password=b"secret"),
        pem_of(generate_key()).replace(b"A", b"!"),
        spoilt_inside(),
        pem_of(generate_key())[:100] + b"\n-----END PRIVATE KEY-----\n",
    ],
    ids=["empty", "text", "P-384", "secp256k1", "Ed25519", "RSA", "encrypted", "spoilt", "a bit lost", "cut off"],
)
def test_what_is_no_open_p256_key_is_refused_in_one_sentence(pem: bytes) -> None:
    with pytest.raises(ConfigError, match="The device key") as caught:
        signer_of(pem)
    assert caught.value.hint == "Enrol the device again."


@pytest.mark.usefixtures("way")
def test_a_key_in_the_older_shape_of_a_factory_signs_too() -> None:
    key = generate_key()

    sealed = sealed_by(signer_of(pem_of(key, TRADITIONAL)), SealKind.EVENT, b"{}")

    assert open_sealed(SealKind.EVENT, sealed, key.public_key()) == b"{}"


def test_threads_sign_side_by_side() -> None:
    key = generate_key()
    sign, opened = signer_of(key_to_pem(key)), list[bytes]()

    def work(number: int) -> None:
        for turn in range(50):
            text = f"{number} {turn}".encode()
            opened.append(open_sealed(SealKind.EVENT, sealed_by(sign, SealKind.EVENT, text), key.public_key()))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == len(set(opened)) == 200


def test_a_system_without_ctypes_signs_with_the_library_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "surefoot_agent.openssl", None)  # what `import` makes of a missing module
    monkeypatch.delattr("surefoot_agent.openssl", raising=False)
    key = generate_key()

    sealed = sealed_by(signer_of(key_to_pem(key)), SealKind.EVENT, b"{}")

    assert open_sealed(SealKind.EVENT, sealed, key.public_key()) == b"{}"


def test_signing_loads_no_library_of_keys(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(key_to_pem(generate_key()))
    program = (
        "import sys; from surefoot_agent.signer import signer_of; "
        "signer_of(open(sys.argv[1], 'rb').read())(b'text'); print('cryptography' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", program, tmp_path / "key.pem"], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"
