"""Who becomes a device: a node that may, with a key of its own, after approval where that is asked for.

Promises: tokens are kept as hashes, run out by time and by uses, and serve what they were made for; asking again with
the same permission and key gives the same answer and costs no use, so a node may be interrupted at any point; every
decision and every certificate is in the audit trail. Refuses a revoked device id, and an enrolled one that comes with
another key: only a token made for that very id by an administrator lets it come back. A token's holder learns why it
was refused; whoever does not know its secret learns nothing. What permits a request is in `ways`.
"""

from __future__ import annotations

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
from surefoot_server.enrolment import renewal, repository, ways
from surefoot_server.enrolment.models import Enrolment, EnrolToken, FactoryCa, PreauthorisedKey
from surefoot_server.enrolment.renewal import Answer
from surefoot_server.enrolment.ways import PREFIX, Grant, fingerprint_of, refused
from surefoot_server.pki.ca import CertificateAuthority, read_request
from surefoot_server.pki.chain import read_authority
from surefoot_shared.enrolment import Enrolled, EnrolRequest, MqttAddress
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.identity import public_to_pem
from surefoot_shared.messages import Sealed
from surefoot_shared.topics import check_device_id

HW = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")
RETURN_GRACE = timedelta(days=90)
"""A device that was offline for so long after its certificate ended comes back by itself; later a person looks."""


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


@dataclass(frozen=True, slots=True)
class Gift:
    """What a device gets with its enrolment, and for which hardware that is."""

    hw: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()


class EnrolmentService:
    """`mqtt` is the address that devices are told; its empty host means: where the server is. `trusted` holds every
    authority that devices shall check the server against, where that is more than the one that certifies them."""

    def __init__(
        self,
        ca: CertificateAuthority,
        devices: DeviceService,
        mqtt: MqttAddress,
        trusted: bytes = b"",
        grace: timedelta = RETURN_GRACE,
    ) -> None:
        self._ca, self._devices, self._mqtt = ca, devices, mqtt
        self._trusted, self._grace = trusted or ca.pem, grace

    def create_token(self, session: Session, wish: TokenWish, actor: str, now: datetime) -> tuple[EnrolToken, str]:
        """Make a token; returns its row and its text, which is not kept anywhere."""
        if wish.device_id is not None:
            check_device_id(wish.device_id)
        if wish.replace and (wish.device_id is None or wish.max_uses != 1):
            raise Invalid("malformed", "A token that replaces a device's key names the device and is used once.")
        secret = secrets.token_hex(32)
        row = EnrolToken(
            id=secrets.token_hex(6),
            secret_hash=ways.secret_hash(secret),
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
        public = _public(read_request(request.csr.encode(), request.device))
        grant = ways.permit(session, request, public, now)
        row, device = repository.enrolment(session, request.device), repository.device(session, request.device)
        if row is None or (row.token_id, row.way, row.public_key) != (grant.token_id, grant.way.value, public):
            ways.check_limits(grant, request, now)
            _check_free(row, device, grant.replace, public)
            ways.note_use(session, grant, now)
            row = _request(session, row, request, grant, public, now)
        elif device is not None and device.revoked_at is not None:
            raise refused(f"{request.device} is revoked.")
        elif device is not None and row.state == EnrolState.ENROLLED.value and device.public_key != public:
            raise refused(f"{request.device} has a newer key.", "An administrator can let it come back.")
        match EnrolState(row.state):
            case EnrolState.PENDING:
                return None
            case EnrolState.REFUSED:
                raise refused(f"An operator refused {request.device}.")
            case _:
                return self._certify(session, row, grant, request, now)

    def renew(self, session: Session, sealed: Sealed, now: datetime) -> Answer:
        """Certify a device's next key on the word of the one that we know it by."""
        return renewal.renew(session, self._devices, self._ca, self._trusted, sealed, self._grace, now)

    def preauthorise(
        self, session: Session, device_id: str, key_sha256: str, gift: Gift, actor: str, now: datetime
    ) -> PreauthorisedKey:
        """Let exactly this key become this device, without token or approval."""
        check_device_id(device_id)
        if not SHA256.fullmatch(key_sha256):
            raise Invalid("malformed", "The key's sha256 is 64 hexadecimal digits in lower case.")
        if repository.device(session, device_id) is not None:
            raise Conflict("conflict", f"{device_id} is a device already.", "`surefoot device replace` lets it return.")
        row = session.get(PreauthorisedKey, device_id) or PreauthorisedKey(
            device_id=device_id, key_sha256="", created_at=now, created_by=actor
        )
        row.key_sha256, row.created_at, row.created_by, row.used_at = key_sha256, now, actor, None
        row.hw, row.attributes, row.tags = gift.hw, dict(gift.attributes), sorted(set(gift.tags))
        session.add(row)
        audit.record(session, actor, "device.preauthorise", f"device:{device_id}", {"key_sha256": key_sha256}, now)
        return row

    def add_factory(
        self, session: Session, name: str, pem: bytes, auto_approve: bool, gift: Gift, actor: str, now: datetime
    ) -> FactoryCa:
        """Let what this authority of a manufacturer certified enrol under the name in its certificate."""
        authority = read_authority(pem, now)
        ca_id = ways.id_of(authority)
        row = session.get(FactoryCa, ca_id) or FactoryCa(id=ca_id, name="", pem="", created_at=now, created_by=actor)
        row.name, row.pem, row.auto_approve, row.revoked_at = name, pem.decode(), auto_approve, None
        row.hw, row.attributes, row.tags = gift.hw, dict(gift.attributes), sorted(set(gift.tags))
        session.add(row)
        detail = {"name": name, "subject": authority.subject.rfc4514_string()[:200], "auto_approve": auto_approve}
        audit.record(session, actor, "factory-ca.add", f"factory-ca:{ca_id}", detail, now)
        return row

    def remove_factory(self, session: Session, ca_id: str, actor: str, now: datetime) -> FactoryCa:
        """Let nobody else enrol with a certificate of this authority; devices that did stay."""
        row = repository.factory_ca(session, ca_id)
        if row.revoked_at is None:
            row.revoked_at = now
            session.add(row)
            audit.record(session, actor, "factory-ca.remove", f"factory-ca:{ca_id}", {}, now)
        return row

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
        self, session: Session, row: Enrolment, grant: Grant, request: EnrolRequest, now: datetime
    ) -> Enrolled:
        pem = self._ca.issue_device(request.csr.encode(), row.device_id, now)
        certificate = x509.load_pem_x509_certificate(pem)
        serial = f"{certificate.serial_number:x}"
        if row.state == EnrolState.ENROLLED.value:
            if (device := repository.device(session, row.device_id)) is not None:
                device.certificate_serial, device.certificate_expires_at = serial, certificate.not_valid_after_utc
            audit.record(session, grant.actor, "device.certificate", f"device:{row.device_id}", {"serial": serial}, now)
        else:
            self._devices.register(
                session,
                row.device_id,
                row.hw,
                row.public_key,
                now,
                certificate_serial=serial,
                certificate_expires_at=certificate.not_valid_after_utc,
                attributes=grant.attributes or None,
                tags=grant.tags or None,
                actor=grant.actor,
            )
        row.state = EnrolState.ENROLLED.value
        session.add(row)
        session.flush()
        return Enrolled(row.device_id, pem.decode(), self._mqtt, ca=self._trusted.decode())


def _check_free(row: Enrolment | None, device: Device | None, replaces: bool, public: str) -> None:
    """Whether the id may be taken with this key: it is new, or known by the same key, or the token replaces it."""
    if replaces:
        return
    hint = "An administrator can make a token that replaces the key of this very device."
    if device is not None and device.revoked_at is not None:
        raise refused(f"{device.id} is revoked.", hint)
    if device is not None and device.public_key != public:
        raise refused(f"{device.id} is enrolled already, with another key.", hint)
    if row is not None and row.public_key != public and row.state != EnrolState.REFUSED.value:
        raise refused(f"Another node already asked to become {row.device_id}.", "Refuse that request first.")


def _request(
    session: Session, row: Enrolment | None, request: EnrolRequest, grant: Grant, public: str, now: datetime
) -> Enrolment:
    fresh = row or Enrolment(device_id=request.device, hw="", public_key="", fingerprint="", state="", requested_at=now)
    fresh.token_id, fresh.way, fresh.hw = grant.token_id, grant.way.value, request.hw
    fresh.public_key, fresh.requested_at, fresh.fingerprint = public, now, fingerprint_of(public)
    fresh.state = (EnrolState.APPROVED if grant.auto_approve else EnrolState.PENDING).value
    fresh.decided_at, fresh.decided_by = (now, grant.actor) if grant.auto_approve else (None, "")
    session.add(fresh)
    session.flush()
    return fresh


def _public(csr: x509.CertificateSigningRequest) -> str:
    key = csr.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # read_request refuses the rest
    return public_to_pem(key).decode()
