"""Envelopes with real keys: what was signed counts, what was changed, moved or claimed does not."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from surefoot_server.findings.dsse import KEYS, SIGNATURES, Envelope, Key, load_key, read, signed_bytes, signers
from surefoot_shared.wire import Json
from tests.server.findings.bills import Private, pem, signature

ED, P256, STRANGER = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate()
TRUSTED = (load_key("ci", pem(ED)), load_key("lab", pem(P256)))
BARE = Envelope("application/x", b'{"a": 1}', ())


def signed(*keys: Private, envelope: Envelope = BARE) -> Envelope:
    message = signed_bytes(envelope)
    return Envelope(envelope.type, envelope.payload, tuple(signature(key, message) for key in keys))


def test_the_vector_of_the_protocol_is_signed_by_its_key() -> None:
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    envelope = read(
        {
            "payload": "aGVsbG8gd29ybGQ=",
            "payloadType": "http://example.com/HelloWorld",
            "signatures": [
                {"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}
            ],
        }
    )

    assert signed_bytes(envelope) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert signers(envelope, [Key("theirs", ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())]) == (
        "theirs",
    )


@pytest.mark.parametrize(
    ("by", "counts"),
    [
        ((ED,), ("ci",)),
        ((P256,), ("lab",)),
        ((P256, ED), ("ci", "lab")),
        ((STRANGER, P256), ("lab",)),
        ((ED, ED), ("ci",)),
        ((STRANGER,), ()),
        ((), ()),
    ],
)
def test_a_key_counts_once_where_it_signed(by: tuple[Private, ...], counts: tuple[str, ...]) -> None:
    assert signers(signed(*by), TRUSTED) == counts


def test_r_and_s_side_by_side_are_a_signature_too() -> None:
    r, s = decode_dss_signature(P256.sign(signed_bytes(BARE), ec.ECDSA(hashes.SHA256())))

    assert signers(Envelope(BARE.type, BARE.payload, (r.to_bytes(32, "big") + s.to_bytes(32, "big"),)), TRUSTED) == (
        "lab",
    )


@pytest.mark.parametrize(
    "changed",
    [
        Envelope(BARE.type, b'{"a": 2}', ()),
        Envelope("application/y", BARE.payload, ()),
        Envelope(BARE.type + " 8", BARE.payload, ()),
        Envelope(BARE.type, b"", ()),
    ],
)
def test_what_was_signed_for_another_payload_or_type_counts_for_nobody(changed: Envelope) -> None:
    mine = signed(ED, P256).signatures

    assert signers(Envelope(changed.type, changed.payload, mine), TRUSTED) == ()


@pytest.mark.parametrize("mangle", [lambda s: s[:-1], lambda s: s + b"\0", lambda s: bytes(64), lambda s: b""])
def test_a_signature_that_was_changed_counts_for_nobody(mangle: object) -> None:
    assert callable(mangle)
    broken = tuple(mangle(each) for each in signed(ED, P256).signatures)

    assert signers(Envelope(BARE.type, BARE.payload, broken), TRUSTED) == ()


def test_a_signature_over_the_payload_alone_counts_for_nobody() -> None:
    assert signers(Envelope(BARE.type, BARE.payload, (ED.sign(BARE.payload),)), TRUSTED) == ()


def test_no_more_keys_are_asked_than_the_limit() -> None:
    others = [load_key(f"k{number}", pem(STRANGER)) for number in range(KEYS)]

    assert signers(signed(ED), [*others, TRUSTED[0]]) == ()


@pytest.mark.parametrize("text", ["+/7/AA==", "-_7_AA==", "+/7/AA", "-_7_AA"])
def test_both_alphabets_of_base64_are_read_with_and_without_padding(text: str) -> None:
    value: dict[str, Json] = {"payloadType": "t", "payload": text, "signatures": [{"sig": text}]}

    assert read(value) == Envelope("t", b"\xfb\xfe\xff\0", (b"\xfb\xfe\xff\0",))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "no payloadType, payload and signatures"),
        ({"payloadType": 5, "payload": "", "signatures": []}, "no payloadType"),
        ({"payloadType": "t", "payload": "", "signatures": {}}, "no payloadType"),
        ({"payloadType": "t", "payload": "%%%%", "signatures": []}, "base64|Non-base64|Only base64"),
        ({"payloadType": "t", "payload": "ä", "signatures": []}, "ASCII"),
        ({"payloadType": "t", "payload": "", "signatures": [{}]}, "no text"),
        ({"payloadType": "t", "payload": "", "signatures": [7]}, "no text"),
        ({"payloadType": "t", "payload": "", "signatures": [{"sig": ""}] * (SIGNATURES + 1)}, "at most 4 are looked"),
    ],
)
def test_what_is_no_envelope_is_refused(value: dict[str, Json], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no public key in PEM"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key in PEM"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "neither an ed25519 key nor one on P-256"),
        (
            rsa.generate_private_key(65537, 2048)
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "neither an ed25519 key nor one on P-256",
        ),
    ],
)
def test_a_key_of_another_kind_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_key("ci", raw)
