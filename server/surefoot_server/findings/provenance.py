"""A release's provenance: an in-toto statement about how it was built, and who vouches for it; pure.

Promises: the statement that is read is the one that was signed, byte for byte. A statement is about a release where one
of its subjects has the sha256 of manifest.json, the release's digest: a builder knows it as soon as it has built,
before anybody signs the release, and it stands for every file, for the manifest lists them by their hashes. Refuses to
call a statement verified because it is well made: only a key that the operator gave decides.
Sources: in-toto Attestation Framework v1; SLSA provenance v1 and v0.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from surefoot_server.findings import dsse
from surefoot_server.findings.dsse import Envelope, Key
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json

LIMIT_BYTES = 4 * 1024 * 1024
STATEMENT, PREDICATE = "https://in-toto.io/Statement/", "https://slsa.dev/provenance/"
PAYLOAD = "application/vnd.in-toto+json"
SHOWN_CHARACTERS = 200
"""Of a builder's id or a type: what a page or a row of the trail holds."""


class Standing(str, Enum):
    """What the signatures of a statement are worth."""

    VERIFIED = "verified"
    UNKNOWN = "unknown"
    """Signed, but by no key that this server knows; also what a changed statement looks like."""
    UNSIGNED = "unsigned"
    OTHER = "other"
    """About something else than this release."""
    UNREADABLE = "unreadable"


TOLD = {
    Standing.UNKNOWN: "its signature is by no known key",
    Standing.UNSIGNED: "it is not signed",
    Standing.OTHER: "it is about something else",
    Standing.UNREADABLE: "it cannot be read",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """`digests`: the sha256 of its subjects. `envelope` is None for a bare one, which nobody signed."""

    envelope: Envelope | None
    digests: frozenset[str]
    predicate_type: str
    builder: str


@dataclass(frozen=True, slots=True)
class Attested:
    """`keys`: names of the operator's keys that signed it; `signatures`: how many it has, whoever made them."""

    standing: Standing
    keys: tuple[str, ...] = ()
    predicate_type: str = ""
    builder: str = ""
    signatures: int = 0

    @property
    def told(self) -> str:
        return f"verified by {', '.join(self.keys)}" if self.standing is Standing.VERIFIED else TOLD[self.standing]


class Unverified(str, Enum):
    """What a channel does with a release that no builder vouches for."""

    BLOCK = "block"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Vouching:
    """What a channel asks: that one of `keys` vouches, or any that the server knows where none is named."""

    unverified: Unverified = Unverified.BLOCK
    keys: tuple[str, ...] = ()

    def lack(self, found: Attested | None) -> str:
        """What is missing, as a sentence's part; empty where nothing is."""
        if found is None:
            return "it has no provenance"
        if found.standing is not Standing.VERIFIED:
            return found.told
        if not self.keys or set(self.keys) & set(found.keys):
            return ""
        return f"verified by {', '.join(found.keys)}, not by any of {', '.join(self.keys)}"


def parse(raw: bytes) -> Statement:
    """Read a statement, bare or in a DSSE envelope; raises Invalid (provenance_unfit) saying what is wrong with it."""
    value, envelope = _parsed(raw), None
    if "payloadType" in value:
        try:
            envelope = dsse.read(value)
        except ValueError as error:
            raise unfit(f"it is neither a statement nor a DSSE envelope with one: {error}") from error
        if envelope.type != PAYLOAD:
            raise unfit(f"its envelope holds {envelope.type[:80]!r}, not {PAYLOAD}")
        value = _parsed(envelope.payload)
    kinds = str(value.get("_type", "")), str(value.get("predicateType", ""))
    if not kinds[0].startswith(STATEMENT) or not kinds[1].startswith(PREDICATE):
        raise unfit(f"it is of type {kinds[0][:80]!r} with predicate {kinds[1][:80]!r}")
    return Statement(envelope, _digests(value.get("subject")), kinds[1][:SHOWN_CHARACTERS], _builder(value))


def judged(raw: bytes, digest: str, keys: Iterable[Key]) -> Attested:
    """What a statement is worth for the release of this digest, to whoever trusts these keys."""
    try:
        said = parse(raw)
    except Invalid:
        return Attested(Standing.UNREADABLE)
    number = len(said.envelope.signatures) if said.envelope else 0
    by = dsse.signers(said.envelope, keys) if said.envelope else ()
    if digest not in said.digests:
        standing = Standing.OTHER
    elif not number:
        standing = Standing.UNSIGNED
    else:
        standing = Standing.VERIFIED if by else Standing.UNKNOWN
    return Attested(standing, by, said.predicate_type, said.builder, number)


def _parsed(raw: bytes) -> dict[str, Json]:
    try:
        return wire.parse(raw, LIMIT_BYTES)
    except Invalid as error:
        raise unfit("it is neither a statement nor a DSSE envelope with one") from error


def unfit(why: str) -> Invalid:
    return Invalid("provenance_unfit", f"The provenance statement cannot be taken: {why}.")


def _digests(listed: Json) -> frozenset[str]:
    subjects = [each.get("digest") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return frozenset(str(each.get("sha256")) for each in subjects if isinstance(each, dict))


def _builder(statement: dict[str, Json]) -> str:
    """The id of the builder, where SLSA v1 or v0.2 has it; anybody's word unless a key vouches for the statement."""
    found = statement.get("predicate")
    places = ("runDetails", "builder", "id") if isinstance(found, dict) and "runDetails" in found else ("builder", "id")
    for place in places:
        found = found.get(place) if isinstance(found, dict) else None
    return str(found or "")[:SHOWN_CHARACTERS]
