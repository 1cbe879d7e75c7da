"""The halt list: digests that must not be downloaded, staged or switched to, signed under a role and key of its own.

Its form is TUF targets metadata (version = epoch, expiry) that lists nothing and carries `x-repo`, `x-role` and the
digests. Who may sign it stands in the director's root (`x-halt`), so the offline root keys can replace the halt key.
Signatures and threshold are python-tuf's, on a delegation made for the purpose and thrown away. Pure: the caller
compares the epoch with its floor. It never blocks a device's own revert or commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Targets

from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.release import SHA256
from surefoot_shared.trust.fields import DIRECTOR, X_DIGESTS, X_HALT, X_REPO, X_ROLE
from surefoot_shared.trust.signing import sign, whole_seconds

ROLE = "halt"
LIFETIME = timedelta(days=30)
DIGESTS_LIMIT = 2000
"""A fleet that halts more releases than this has a different problem."""
RAW_LIMIT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class HaltList:
    epoch: int
    digests: tuple[str, ...]
    expires: datetime


def sign_halt(
    digests: Sequence[str], epoch: int, now: datetime, signers: Sequence[Signer], lifetime: timedelta = LIFETIME
) -> bytes:
    """Sign the whole set that is halted from this epoch on; an empty one lifts every halt."""
    fields: dict[str, Any] = {X_REPO: DIRECTOR, X_ROLE: ROLE, X_DIGESTS: sorted(set(digests))}
    return sign(Targets(epoch, expires=whole_seconds(now, lifetime), unrecognized_fields=fields), signers)


def verify_halt(raw: bytes, director_root: Root, now: datetime) -> HaltList:
    """Return a genuine, unexpired halt list; raises UntrustedRelease."""
    if len(raw) > RAW_LIMIT_BYTES:
        raise UntrustedRelease(
            "bundle_malformed", f"The halt list has {len(raw)} bytes; {RAW_LIMIT_BYTES} are allowed."
        )
    try:
        metadata = Metadata[Targets].from_bytes(raw)
        _delegation(director_root).verify_delegate(ROLE, metadata.signed_bytes, metadata.signatures)
    except RepositoryError as error:
        raise UntrustedRelease(
            "metadata_untrusted", f"The halt list is not signed by the halt role: {error}"
        ) from error
    signed = metadata.signed
    if signed.unrecognized_fields.get(X_REPO) != DIRECTOR or signed.unrecognized_fields.get(X_ROLE) != ROLE:
        raise UntrustedRelease("wrong_repository", "The halt list is not one: it names another repository or role.")
    if signed.is_expired(now):
        raise UntrustedRelease("metadata_expired", f"The halt list of epoch {signed.version} has expired.")
    return HaltList(signed.version, _digests(signed.unrecognized_fields.get(X_DIGESTS)), signed.expires)


def _delegation(root: Root) -> Targets:
    """A throw-away delegator that trusts exactly the keys of the root's `x-halt`."""
    field = root.unrecognized_fields.get(X_HALT)
    try:
        if not isinstance(field, Mapping):
            raise ValueError("the director's root names no halt role")
        keys = {str(keyid): Key.from_dict(str(keyid), dict(key)) for keyid, key in field["keys"].items()}
        role = DelegatedRole(ROLE, list(field["keyids"]), field["threshold"], True, paths=[ROLE])
        return Targets(delegations=Delegations(keys, {ROLE: role}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UntrustedRelease("metadata_untrusted", f"The director's root has no usable halt role: {error}") from error


def _digests(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > DIGESTS_LIMIT:
        raise UntrustedRelease("bundle_malformed", "The halt list carries no list of digests, or too many.")
    if not all(isinstance(digest, str) and SHA256.fullmatch(digest) for digest in value):
        raise UntrustedRelease("bundle_malformed", "The halt list carries something that is no sha256.")
    return tuple(value)
