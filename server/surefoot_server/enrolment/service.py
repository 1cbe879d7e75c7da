"""Who becomes a device: a node with a valid token and a key of its own, after approval where the token asks for one.

Promises: tokens are kept as hashes, run out by time and by uses, and serve what they were made for; asking again with
the same token and key gives the same answer and costs no use, so a node may be interrupted at any point; every decision
and every certificate is in the audit trail. Refuses a revoked device id, and an enrolled one that comes with another
key: only a token made for that very id by an administrator lets it come back. A token's holder learns why it was
refused; whoever does not know its secret learns nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.devices.models import Device
from surefoot_server.devices.service import DeviceService
from surefoot_server.enrolment import repository
from surefoot_server.enrolment.models import Enrolment, EnrolToken
from surefoot_server.pki.ca import CertificateAuthority, read_request
from surefoot_shared.enrolment import Enrolled, EnrolRequest, MqttAddress
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, NotFound
from surefoot_shared.identity import public_to_pem
from surefoot_shared.topics import check_device_id

PREFIX = "sfe_"
"""Lets secret scanners find a token that was pasted where it should not be."""
HW = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class EnrolState(str, Enum):
    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    ENROLLED = "enrolled"


@dataclass(frozen=True, slots=True)
class TokenWish:
    """What a new token shall allow; the defaults are the careful ones."""

    valid_s: float = 24 * 3600.0
    max_uses: int = 1
    auto_approve: bool = False
    device_id: str | None = None
    replace: bool = False
    hw: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()


class EnrolmentService:
    """`mqtt` is the address that devices are told; its empty host means: where the server is."""

    def __init__(self, ca: CertificateAuthority, devices: DeviceService, mqtt: MqttAddress) -> None:
        self._ca, self._devices, self._mqtt = ca, devices, mqtt

    def create_token(self, session: Session, wish: TokenWish, actor: str, now: datetime) -> tuple[EnrolToken, str]:
        """Make a token; returns its row and its text, which is not kept anywhere."""
        if wish.device_id is not None:
            check_device_id(wish.device_id)
        if wish.replace and (wish.device_id is None or wish.max_uses != 1):
            raise Invalid("malformed", "A token that replaces a device's key names the device and is used once.")
        secret = secrets.token_hex(32)
        row = EnrolToken(
            id=secrets.token_hex(6),
            secret_hash=_hash(secret),
            created_at=now,
            created_by=actor,
            expires_at=now + timedelta(seconds=wish.valid_s),
            max_uses=wish.max_uses,
            auto_approve=wish.auto_approve,
            device_id=wish.device_id,
            replace=wish.replace,
            hw=wish.hw,
            attributes=dict(wish.attributes),
            tags=sorted(set(wish.tags)),
        )
        session.add(row)
        detail = {"uses": wish.max_uses, "auto_approve": wish.auto_approve, "device": wish.device_id or ""}
        audit.record(session, actor, "enrol-token.create", f"enrol-token:{row.id}", detail, now)
        return row, f"{PREFIX}{row.id}_{secret}"

    def revoke_token(self, session: Session, token_id: str, actor: str, now: datetime) -> EnrolToken:
        row = repository.token(session, token_id)
        if row.revoked_at is None:
            row.revoked_at = now
            session.add(row)
            audit.record(session, actor, "enrol-token.revoke", f"enrol-token:{token_id}", {}, now)
        return row

    def enrol(self, session: Session, request: EnrolRequest, now: datetime) -> Enrolled | None:
        """Certify the node as the device it asks to be; None while an operator has yet to approve it."""
        check_device_id(request.device)
        if not HW.fullmatch(request.hw):
            raise Invalid("malformed", f"{request.hw[:64]!r} is not the name of a hardware.")
        token = _known_token(session, request.token)
        csr = read_request(request.csr.encode(), request.device)
        public = _public(csr)
        row, device = repository.enrolment(session, request.device), repository.device(session, request.device)
        again = row is not None and (row.token_id, row.public_key) == (token.id, public)
        if row is None or not again:
            _check_token(token, request, now)
            _check_free(row, device, token, public)
            token.uses += 1
            row = _request(session, row, request, token, public, now)
        elif device is not None and device.revoked_at is not None:
            raise _refused(f"{request.device} is revoked.")
        match EnrolState(row.state):
            case EnrolState.PENDING:
                return None
            case EnrolState.REFUSED:
                raise _refused(f"An operator refused {request.device}.")
            case _:
                return self._certify(session, row, token, request, now)

    def decide(self, session: Session, device_id: str, approve: bool, actor: str, now: datetime) -> Enrolment:
        """Approve or refuse a pending request; a node that was approved gets its certificate when it asks again."""
        row = repository.enrolment(session, device_id)
        if row is None:
            raise NotFound("not_found", f"No node asked to become {device_id!r}.")
        if row.state != EnrolState.PENDING.value:
            raise Conflict("conflict", f"The request of {device_id} is {row.state} already.")
        row.state = (EnrolState.APPROVED if approve else EnrolState.REFUSED).value
        row.decided_at, row.decided_by = now, actor
        session.add(row)
        action = "device.approve" if approve else "device.refuse"
        audit.record(session, actor, action, f"device:{device_id}", {"fingerprint": row.fingerprint}, now)
        return row

    def _certify(
        self, session: Session, row: Enrolment, token: EnrolToken, request: EnrolRequest, now: datetime
    ) -> Enrolled:
        pem = self._ca.issue_device(request.csr.encode(), row.device_id, now)
        serial = f"{x509.load_pem_x509_certificate(pem).serial_number:x}"
        actor = f"enrol-token:{token.id}"
        if row.state == EnrolState.ENROLLED.value:
            audit.record(session, actor, "device.certificate", f"device:{row.device_id}", {"serial": serial}, now)
        else:
            self._devices.register(
                session,
                row.device_id,
                row.hw,
                row.public_key,
                now,
                certificate_serial=serial,
                attributes=token.attributes or None,
                tags=token.tags or None,
                actor=actor,
            )
        row.state = EnrolState.ENROLLED.value
        session.add(row)
        session.flush()
        return Enrolled(row.device_id, pem.decode(), self._mqtt)


def _known_token(session: Session, text: str) -> EnrolToken:
    """The token whose secret the node knows; one answer for every other text, so that nothing can be learnt."""
    token_id, _, secret = text.removeprefix(PREFIX).partition("_")
    row = repository.token_to_use(session, token_id) if text.startswith(PREFIX) else None
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
        raise _refused("The enrolment token is unknown.")
    return row


def _check_token(token: EnrolToken, request: EnrolRequest, now: datetime) -> None:
    if token.revoked_at is not None:
        raise _refused("The enrolment token was revoked.")
    if token.expires_at <= now:
        raise _refused(f"The enrolment token expired at {token.expires_at:%Y-%m-%d %H:%M} UTC.")
    if token.uses >= token.max_uses:
        raise _refused(f"The enrolment token was used {token.uses} times, which is all it allows.")
    if token.device_id not in (None, request.device):
        raise _refused(f"The enrolment token is for {token.device_id}, not for {request.device}.")
    if token.hw not in (None, request.hw):
        raise _refused(f"The enrolment token is for {token.hw}, not for {request.hw}.")


def _check_free(row: Enrolment | None, device: Device | None, token: EnrolToken, public: str) -> None:
    """Whether the id may be taken with this key: it is new, or known by the same key, or the token replaces it."""
    if token.replace:
        return
    hint = "An administrator can make a token that replaces the key of this very device."
    if device is not None and device.revoked_at is not None:
        raise _refused(f"{device.id} is revoked.", hint)
    if device is not None and device.public_key != public:
        raise _refused(f"{device.id} is enrolled already, with another key.", hint)
    if row is not None and row.public_key != public and row.state != EnrolState.REFUSED.value:
        raise _refused(f"Another node already asked to become {row.device_id}.", "Refuse that request first.")


def _request(
    session: Session, row: Enrolment | None, request: EnrolRequest, token: EnrolToken, public: str, now: datetime
) -> Enrolment:
    fresh = row or Enrolment(
        device_id=request.device, token_id="", hw="", public_key="", fingerprint="", state="", requested_at=now
    )
    fresh.token_id, fresh.hw, fresh.public_key, fresh.requested_at = token.id, request.hw, public, now
    fresh.fingerprint = hashlib.sha256(public.encode()).hexdigest()
    fresh.state = (EnrolState.APPROVED if token.auto_approve else EnrolState.PENDING).value
    fresh.decided_at, fresh.decided_by = (now, f"enrol-token:{token.id}") if token.auto_approve else (None, "")
    session.add(fresh)
    session.add(token)
    session.flush()
    return fresh


def _public(csr: x509.CertificateSigningRequest) -> str:
    key = csr.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # read_request refuses the rest
    return public_to_pem(key).decode()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _refused(message: str, hint: str = "") -> NotAllowed:
    return NotAllowed("enrolment_refused", message, hint)
