"""Several people sign the same bytes, one after another, on machines that share nothing but files.

Promises: a signature is only ever added to what others signed, never to a re-made copy; how far a file has come is
computed from its signatures and the keys that its delegators list, not from what it says about itself. A file below its
threshold carries `x-missing` beside the signatures, which nothing trusts. Pure: bytes and signers in, bytes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from surefoot_server.keys.signers import name_of
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.trust.fields import X_MISSING
from surefoot_shared.trust.signing import refused

Offline = Metadata[Root] | Metadata[Targets]
_COMPACT = JSONSerializer(compact=True)


@dataclass(frozen=True, slots=True)
class Delegator:
    """Who says which keys sign `role`: the root before a new root, the new root itself, the top level for releases."""

    signed: Root | Targets
    role: str


@dataclass(frozen=True, slots=True)
class Need:
    """What one delegator still asks for."""

    threshold: int
    signed: tuple[str, ...]
    unsigned: tuple[str, ...]

    @property
    def missing(self) -> int:
        return max(0, self.threshold - len(self.signed))


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the signatures of one file have come."""

    version: int
    needs: tuple[Need, ...]

    @property
    def complete(self) -> bool:
        return all(need.missing == 0 for need in self.needs)

    @property
    def missing(self) -> int:
        """The fewest signatures that can complete it; one of a key that two delegators list counts for both."""
        if len(self.needs) < 2:
            return sum(need.missing for need in self.needs)
        first, second = self.needs[0], self.needs[1]
        both = len(set(first.unsigned) & set(second.unsigned))
        return max(first.missing, second.missing, first.missing + second.missing - both)

    @property
    def signed(self) -> tuple[str, ...]:
        return tuple(sorted({name for need in self.needs for name in need.signed}))

    @property
    def may_sign(self) -> tuple[str, ...]:
        """Whose signatures would bring it on."""
        return tuple(sorted({name for need in self.needs if need.missing for name in need.unsigned}))


def standing(raw: bytes, delegators: Sequence[Delegator]) -> Standing:
    """Count the valid signatures; raises UntrustedRelease(metadata_untrusted) where the bytes are no metadata."""
    metadata = read_signed(raw)
    needs = []
    for delegator in delegators:
        result = delegator.signed.get_verification_result(delegator.role, metadata.signed_bytes, metadata.signatures)
        signed, unsigned = (tuple(name_of(key) for key in keys.values()) for keys in (result.signed, result.unsigned))
        needs.append(Need(result.threshold, signed, unsigned))
    return Standing(metadata.signed.version, tuple(needs))


def cosigned(raw: bytes, delegators: Sequence[Delegator], signers: Sequence[Signer]) -> bytes:
    """Add signatures until every delegator has enough, and say in the file how many are missing."""
    metadata = read_signed(raw)
    for signer in signers:
        if standing(_bytes_of(metadata), delegators).complete:
            break
        if signer.public_key.keyid not in metadata.signatures and _wanted(signer, delegators):
            try:
                metadata.sign(signer, append=True)
            except UnsignedMetadataError as error:
                raise refused(error) from error
    return _marked(metadata, delegators)


def merged(first: bytes, second: bytes, delegators: Sequence[Delegator]) -> bytes:
    """Put the signatures of two copies together; raises UntrustedRelease where they are not of the same bytes."""
    one, other = read_signed(first), read_signed(second)
    if one.signed_bytes != other.signed_bytes:
        message = f"Two different files claim to be {one.signed.type} {one.signed.version}."
        raise UntrustedRelease("metadata_untrusted", message, "Only copies of one file can be put together.")
    for keyid, signature in other.signatures.items():
        one.signatures.setdefault(keyid, signature)
    return _marked(one, delegators)


def read_signed(raw: bytes) -> Offline:
    """Parse root or targets metadata; raises UntrustedRelease."""
    try:
        metadata = Metadata[Root].from_bytes(raw)  # its type says which of the two it is
    except (DeserializationError, RepositoryError) as error:
        raise UntrustedRelease("metadata_untrusted", f"This is no signed metadata: {error}") from error
    if metadata.signed.type not in (Root.type, Targets.type):
        raise UntrustedRelease("metadata_untrusted", f"No person signs a {metadata.signed.type}.")
    return metadata


def _wanted(signer: Signer, delegators: Sequence[Delegator]) -> bool:
    return any(signer.public_key.keyid in _keyids(delegator) for delegator in delegators)


def _keyids(delegator: Delegator) -> Sequence[str]:
    return delegator.signed.get_delegated_role(delegator.role).keyids


def _marked(metadata: Offline, delegators: Sequence[Delegator]) -> bytes:
    metadata.unrecognized_fields.pop(X_MISSING, None)
    if missing := standing(_bytes_of(metadata), delegators).missing:
        metadata.unrecognized_fields[X_MISSING] = missing
    return _bytes_of(metadata)


def _bytes_of(metadata: Offline) -> bytes:
    return metadata.to_bytes(_COMPACT)
