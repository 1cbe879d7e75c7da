"""The chain itself, without a database: what a row's hash covers, and where a run of rows does not fit. Pure.

Promises: whoever has the rows finds an edit, a gap and a change of order; whoever also kept a checkpoint finds rows cut
off or the whole chain written anew. Refuses to trust a stored hash: each is computed again.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from surefoot_shared.messages import Checkpoint

GENESIS = "0" * 64
DOMAIN = b"surefoot-audit-v1\x00"
SIGNED = b"surefoot-audit-checkpoint-v1\x00"


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it is stored, exported and shown."""

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """`broken_at` is the first row that does not fit its predecessor, None where the chain is whole."""

    rows: int
    head: str
    broken_at: int | None = None
    problem: str = ""

    @property
    def whole(self) -> bool:
        return self.broken_at is None


def hash_of(row: Row) -> str:
    """The sha256 of every other field in a canonical form."""
    at = row.at.astimezone(timezone.utc).isoformat(timespec="microseconds")
    fields = [row.seq, at, row.actor, row.action, row.object, row.detail, row.previous]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(DOMAIN + text.encode()).hexdigest()


def walk(rows: Iterable[Row], noted: Checkpoint | None = None) -> Verification:
    """Follow the chain from its first row; with a checkpoint, also ask whether it still leads through it."""
    head, count = GENESIS, 0
    for row in rows:
        if row.seq != count + 1:
            return Verification(count, head, count + 1, f"row {count + 1} is missing")
        if row.previous != head:
            return Verification(count, head, row.seq, f"row {row.seq} does not follow the row before it")
        if hash_of(row) != row.hash:
            return Verification(count, head, row.seq, f"row {row.seq} was altered")
        if noted is not None and row.seq == noted.size and row.hash != noted.head:
            return Verification(count, head, row.seq, f"row {row.seq} is another than the one noted at {noted.at}")
        head, count = row.hash, row.seq
    if noted is not None and count < noted.size:
        lost = f"rows {count + 1} to {noted.size}, which were there at {noted.at}, were cut off"
        return Verification(count, head, count + 1, lost)
    return Verification(count, head)


def signed_bytes(size: int, head: str, at: str) -> bytes:
    return SIGNED + json.dumps([size, head, at], separators=(",", ":")).encode()


def is_signed(noted: Checkpoint, key: Ed25519PublicKey) -> bool:
    """Whether the key's holder made it."""
    try:
        key.verify(base64.b64decode(noted.signature, validate=True), signed_bytes(noted.size, noted.head, noted.at))
    except (InvalidSignature, ValueError):
        return False
    return True
