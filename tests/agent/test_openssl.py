"""Python's own OpenSSL signs, frees what it took and leaves no error behind."""

from __future__ import annotations

import gc
import ssl

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from surefoot_agent import openssl
from surefoot_agent.openssl import signer
from surefoot_shared.identity import DeviceKey, generate_key


def der_of(key: DeviceKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_this_python_s_openssl_can_be_reached_and_signs() -> None:
    key = generate_key()

    sign = signer(der_of(key))

    assert sign is not None, "else the tests of `signer` would try the same way twice"
    for number in range(200):  # the lengths of signatures differ
        key.public_key().verify(sign(b"%d" % number), b"%d" % number, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("cut", [0, 1, 30, 60, 137])
def test_a_key_that_cannot_be_read_leaves_no_error_behind_for_the_next_connection(cut: int) -> None:
    library = openssl.openssl()
    assert library is not None

    assert signer(der_of(generate_key())[:cut]) is None

    assert library.ERR_peek_error() == 0
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    "scalar", [bytes(32), b"\xff" * 32, bytes(31) + b"\x01"], ids=["zero", "too large", "another's"]
)
def test_a_key_whose_halves_do_not_belong_together_is_not_known(scalar: bytes) -> None:
    library, der = openssl.openssl(), der_of(generate_key())
    assert library is not None
    at = der.index(b"\x04\x20") + 2  # an octet string of 32 bytes

    assert signer(der[:at] + scalar + der[at + 32 :]) is None

    assert library.ERR_peek_error() == 0


def test_a_key_that_nobody_signs_with_any_more_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    library, freed = openssl.openssl(), list[int]()
    assert library is not None
    free = library.EVP_PKEY_free

    def counted(pointer: int) -> None:
        freed.append(pointer)
        free(pointer)

    monkeypatch.setattr(library, "EVP_PKEY_free", counted)

    sign = signer(der_of(generate_key()))
    assert (sign is not None, freed) == (True, [])
    del sign
    gc.collect()

    assert len(freed) == 1


@pytest.mark.parametrize("origin", [None, "built-in", "/nowhere/_ssl.so", "libm.so.6"])
def test_a_python_whose_openssl_is_out_of_reach_has_no_signer(
    monkeypatch: pytest.MonkeyPatch, origin: str | None
) -> None:
    class Spec:
        has_location = origin not in (None, "built-in")

    Spec.origin = origin  # type: ignore[attr-defined]
    monkeypatch.setattr(openssl.importlib.util, "find_spec", lambda name: Spec)
    openssl.openssl.cache_clear()

    assert signer(der_of(generate_key())) is None

    openssl.openssl.cache_clear()
