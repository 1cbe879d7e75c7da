"""The three ways in which a node shows that it may become a device: a key known beforehand, a token, a factory's word.

Promises: what permits a request is read from our own rows; whoever brings nothing that we know learns nothing. Refuses
a name other than the one that was registered or certified.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from sqlmodel import Session

from surefoot_server.enrolment import repository
from surefoot_server.enrolment.models import EnrolToken, FactoryCa, PreauthorisedKey
from surefoot_server.pki.chain import verify_chain
from surefoot_shared.enrolment import EnrolRequest
from surefoot_shared.errors import NotAllowed

PREFIX = "sfe_"
"""Lets secret scanners find a token that was pasted where it should not be."""


class Way(str, Enum):
    TOKEN = "token"
    PREAUTHORISED = "preauthorised"
    FACTORY = "factory"
    RENEWAL = "renewal"


@dataclass(frozen=True, slots=True)
class Grant:
    """What permits a request, and what the device gets with it. `actor` stands in the audit trail."""

    way: Way
    actor: str
    auto_approve: bool
    hw: str | None = None
    replace: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    token: EnrolToken | None = None
    known_key: PreauthorisedKey | None = None

    @property
    def token_id(self) -> str | None:
        return self.token.id if self.token else None


def permit(session: Session, request: EnrolRequest, public_key: str, now: datetime) -> Grant:
    """Return what permits the request; raises NotAllowed."""
    if request.token:
        return _by_token(session, request.token)
    if request.chain:
        return _by_factory(session, request, public_key, now)
    return _by_known_key(session, request.device, public_key)


def check_limits(grant: Grant, request: EnrolRequest, now: datetime) -> None:
    """Whether the grant still covers a request that it did not cover before; raises NotAllowed."""
    if grant.hw not in (None, request.hw):
        raise refused(f"{grant.actor} is for {grant.hw}, not for {request.hw}.")
    token = grant.token
    if token is None:
        return
    if token.revoked_at is not None:
        raise refused("The enrolment token was revoked.")
    if token.expires_at <= now:
        raise refused(f"The enrolment token expired at {token.expires_at:%Y-%m-%d %H:%M} UTC.")
    if token.uses >= token.max_uses:
        raise refused(f"The enrolment token was used {token.uses} times, which is all it allows.")
    if token.device_id not in (None, request.device):
        raise refused(f"The enrolment token is for {token.device_id}, not for {request.device}.")


def note_use(session: Session, grant: Grant, now: datetime) -> None:
    if grant.token is not None:
        grant.token.uses += 1
        session.add(grant.token)
    if grant.known_key is not None:
        grant.known_key.used_at = now
        session.add(grant.known_key)


def fingerprint_of(public_key: str) -> str:
    """The sha256 of a public key in PEM, as `openssl pkey -pubout | sha256sum` prints it."""
    return hashlib.sha256(public_key.encode()).hexdigest()


def id_of(authority: x509.Certificate) -> str:
    return authority.fingerprint(hashes.SHA256()).hex()[:16]


def secret_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def refused(message: str, hint: str = "") -> NotAllowed:
    return NotAllowed("enrolment_refused", message, hint)


def _by_token(session: Session, text: str) -> Grant:
    """The token whose secret the node knows; one answer for every other text, so that nothing can be learnt."""
    token_id, _, secret = text.removeprefix(PREFIX).partition("_")
    row = repository.token_to_use(session, token_id) if text.startswith(PREFIX) else None
    if row is None or not hmac.compare_digest(row.secret_hash, secret_hash(secret)):
        raise refused("The enrolment token is unknown.")
    actor = f"enrol-token:{row.id}"
    return Grant(Way.TOKEN, actor, row.auto_approve, row.hw, row.replace, row.attributes, row.tags, token=row)


def _by_known_key(session: Session, device_id: str, public_key: str) -> Grant:
    row = session.get(PreauthorisedKey, device_id)
    if row is None or not hmac.compare_digest(row.key_sha256, fingerprint_of(public_key)):
        hint = "Register its key with `surefoot device preauthorise`, or give it a token."
        raise refused("Neither a token nor a key that was registered beforehand.", hint)
    return Grant(Way.PREAUTHORISED, "preauthorised", True, row.hw, False, row.attributes, row.tags, known_key=row)


def _by_factory(session: Session, request: EnrolRequest, public_key: str, now: datetime) -> Grant:
    registered = {x509.load_pem_x509_certificate(ca.pem.encode()): ca for ca in repository.factory_cas(session)}
    proven = verify_chain(request.chain.encode(), list(registered), now)
    row: FactoryCa = registered[proven.authority]
    if proven.name != request.device:
        raise refused(f"The factory certificate is for {proven.name[:64]!r}, not for {request.device}.")
    if proven.public_key != public_key:
        raise refused("The factory certificate is not for the key that signed the request.")
    return Grant(Way.FACTORY, f"factory-ca:{row.id}", row.auto_approve, row.hw, False, row.attributes, row.tags)
