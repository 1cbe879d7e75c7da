"""What a statement is worth: by whose key, about which release, and whatever it claims of itself."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from surefoot_server.findings.dsse import load_key
from surefoot_server.findings.provenance import LIMIT_BYTES, Attested, Standing, Unverified, Vouching, judged, parse
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json
from tests.server.findings.bills import envelope, pem, statement

DIGEST, OTHER = "d" * 64, "e" * 64
CI, LAB, STRANGER = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate()
KEYS = (load_key("ci", pem(CI)), load_key("lab", pem(LAB)))
BUILDER, PREDICATE = "https://ci.example/builder", "https://slsa.dev/provenance/v1"


def tampered(raw: bytes) -> bytes:
    """The same signatures on a statement that names another builder."""
    value = json.loads(raw)
    payload = base64.b64decode(value["payload"]).replace(b"ci.example", b"ci.evil.io")
    return json.dumps({**value, "payload": base64.b64encode(payload).decode()}).encode()


@pytest.mark.parametrize(
    ("raw", "standing", "told"),
    [
        (envelope(statement(DIGEST), CI), Standing.VERIFIED, "verified by ci"),
        (envelope(statement(DIGEST), LAB, CI), Standing.VERIFIED, "verified by ci, lab"),
        (envelope(statement(DIGEST), STRANGER, LAB), Standing.VERIFIED, "verified by lab"),
        (envelope(statement(DIGEST), STRANGER), Standing.UNKNOWN, "its signature is by no known key"),
        (tampered(envelope(statement(DIGEST), CI, LAB)), Standing.UNKNOWN, "its signature is by no known key"),
        (envelope(statement(DIGEST)), Standing.UNSIGNED, "it is not signed"),
        (json.dumps(statement(DIGEST)).encode(), Standing.UNSIGNED, "it is not signed"),
        (envelope(statement(OTHER), CI), Standing.OTHER, "it is about something else"),
        (json.dumps(statement(OTHER)).encode(), Standing.OTHER, "it is about something else"),
        (envelope(statement(DIGEST), CI, kind="text/plain"), Standing.UNREADABLE, "it cannot be read"),
        (b"", Standing.UNREADABLE, "it cannot be read"),
    ],
)
def test_a_statement_is_worth_what_its_signatures_are(raw: bytes, standing: Standing, told: str) -> None:
    found = judged(raw, DIGEST, KEYS)

    assert (found.standing, found.told) == (standing, told)


def test_without_keys_nothing_is_verified() -> None:
    assert judged(envelope(statement(DIGEST), CI), DIGEST, ()).standing is Standing.UNKNOWN


def test_it_tells_type_builder_and_signatures() -> None:
    assert judged(envelope(statement(DIGEST), CI, STRANGER), DIGEST, KEYS) == Attested(
        Standing.VERIFIED, ("ci",), PREDICATE, BUILDER, 2
    )


def test_one_of_several_subjects_is_enough() -> None:
    several: list[Json] = [{"name": "a", "digest": {"sha256": OTHER}}, {"name": "b", "digest": {"sha256": DIGEST}}]

    assert judged(envelope({**statement(DIGEST), "subject": several}, CI), DIGEST, KEYS).standing is Standing.VERIFIED


def test_the_digest_counts_only_as_a_sha256() -> None:
    odd: list[Json] = [{"digest": {"sha512": DIGEST}}, {"digest": DIGEST}, DIGEST, {"name": DIGEST}]

    assert judged(envelope({**statement(DIGEST), "subject": odd}, CI), DIGEST, KEYS).standing is Standing.OTHER


def test_the_builder_of_the_older_predicate_is_read_too() -> None:
    older: dict[str, Json] = {
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {"builder": {"id": "b"}},
    }

    assert parse(json.dumps({**statement(DIGEST), **older}).encode()).builder == "b"


@pytest.mark.parametrize("predicate", [None, 5, [], {"runDetails": 5}, {"builder": {"id": None}}, {"builder": []}])
def test_a_builder_that_is_not_said_is_none(predicate: Json) -> None:
    assert parse(json.dumps({**statement(DIGEST), "predicate": predicate}).encode()).builder == ""


def wrapped(payload: bytes, **more: Json) -> bytes:
    value = {"payloadType": "application/vnd.in-toto+json", "payload": base64.b64encode(payload).decode()}
    return json.dumps({**value, "signatures": [], **more}).encode()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"[]", "neither a statement nor a DSSE envelope"),
        (wrapped(b"[]"), "neither a statement nor a DSSE envelope"),
        (wrapped(b"\xff"), "neither a statement nor a DSSE envelope"),
        (wrapped(b"{}", signatures=5), "neither a statement nor a DSSE envelope with one: it has no payloadType"),
        (wrapped(json.dumps(statement(DIGEST)).encode(), payloadType="text/plain"), "its envelope holds 'text/plain'"),
        (wrapped(wrapped(json.dumps(statement(DIGEST)).encode())), "it is of type ''"),
        (json.dumps({**statement(DIGEST), "_type": "https://x"}).encode(), "it is of type 'https://x'"),
        (json.dumps({**statement(DIGEST), "predicateType": "https://spdx.dev/Document"}).encode(), "with predicate"),
        (wrapped(json.dumps(statement(DIGEST)).encode(), signatures=[{"sig": "AA=="}] * 5), "it has 5 signatures"),
        (b" " * (LIMIT_BYTES + 1), "neither a statement"),
        (b'{"a":' * 100_000, "neither a statement"),
    ],
)
def test_what_is_no_such_statement_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        parse(raw)
    assert refused.value.kind == "provenance_unfit"


VERIFIED = Attested(Standing.VERIFIED, ("ci",))


@pytest.mark.parametrize(
    ("asked", "found", "lack"),
    [
        (Vouching(), VERIFIED, ""),
        (Vouching(keys=("lab", "ci")), VERIFIED, ""),
        (Vouching(keys=("lab", "qa")), VERIFIED, "verified by ci, not by any of lab, qa"),
        (Vouching(), None, "it has no provenance"),
        (Vouching(Unverified.WARN), Attested(Standing.UNSIGNED), "it is not signed"),
        (Vouching(keys=("ci",)), Attested(Standing.OTHER, ("ci",)), "it is about something else"),
    ],
)
def test_what_a_channel_lacks_is_said(asked: Vouching, found: Attested | None, lack: str) -> None:
    assert asked.lack(found) == lack
