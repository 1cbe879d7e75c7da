"""A device gets a certificate for its next key, with nothing but the signature of the key that we know it by.

Promises: the old key speaks for the device until a hello came with the new one, so a device may be interrupted at any
point and ask again; the same request gives the same key's certificate. A device whose certificate ended longer ago than
the grace waits for a person. Refuses a revoked device and a signature of any other key, which is noted in the audit
trail. Decides in the caller's transaction and raises nothing for a refusal: what was noted must be committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.devices import repository as devices
from surefoot_server.devices.models import Device
from surefoot_server.devices.service import DeviceService
from surefoot_server.enrolment import repository
from surefoot_server.enrolment.models import Enrolment
from surefoot_server.enrolment.ways import Way, fingerprint_of
from surefoot_server.pki.ca import CertificateAuthority, read_request
from surefoot_shared import wire
from surefoot_shared.enrolment import Renewed, RenewRequest
from surefoot_shared.errors import Invalid
from surefoot_shared.identity import DevicePublicKey, open_sealed, public_to_pem
from surefoot_shared.messages import Sealed
from surefoot_shared.seals import SealKind


@dataclass(frozen=True, slots=True)
class Answer:
    """One of: renewed, refused with a reason, or neither while a person has to approve."""

    device: str
    renewed: Renewed | None = None
    refused: str = ""


def renew(
    session: Session,
    devices_service: DeviceService,
    ca: CertificateAuthority,
    trusted: bytes,
    sealed: Sealed,
    grace: timedelta,
    now: datetime,
) -> Answer:
    """Certify the device's next key. Raises Invalid for what cannot be read."""
    asked = wire.decode(RenewRequest, sealed.payload.encode())
    device = session.get(Device, asked.device)
    if device is None:  # no row to audit it under: anybody can say a name
        return Answer(asked.device, refused="The device is not enrolled here.")
    signer = _signer(device, sealed)
    refused = "The device is revoked." if device.revoked_at is not None else ""
    refused = refused or ("" if signer else "The request is not signed with the device's key.")
    if not refused and signer is not None:
        devices_service.take_key(session, device.id, public_to_pem(signer).decode(), now)
        csr = read_request(asked.csr.encode(), device.id)
        public = _public(csr)
        if public == device.public_key:
            refused = "A renewal needs a new key."
        elif _must_wait(device, grace, now) and (waits := _ask_a_person(session, device, public, now)) is not None:
            return Answer(device.id, refused=waits)
    if refused:
        audit.record_seldom(session, "gateway", "renewal.refused", f"device:{device.id}", {"why": refused}, now)
        return Answer(device.id, refused=refused)
    pem = ca.issue_device(asked.csr.encode(), device.id, now)
    certificate = x509.load_pem_x509_certificate(pem)
    serial = f"{certificate.serial_number:x}"
    devices_service.offer_key(session, device, public, serial, certificate.not_valid_after_utc, now)
    return Answer(device.id, Renewed(device.id, pem.decode(), ca=trusted.decode()))


def _signer(device: Device, sealed: Sealed) -> DevicePublicKey | None:
    for key in devices.keys_of(device):
        try:
            open_sealed(SealKind.RENEW, sealed, key)
        except Invalid:
            continue
        return key
    return None


def _must_wait(device: Device, grace: timedelta, now: datetime) -> bool:
    ends = device.certificate_expires_at
    return ends is not None and now > ends + grace


def _ask_a_person(session: Session, device: Device, public: str, now: datetime) -> str | None:
    """None where a person approved this key; else why not, "" while nobody has decided."""
    row = repository.enrolment(session, device.id)
    if row is None or row.public_key != public or row.way != Way.RENEWAL.value:
        row = row or Enrolment(device_id=device.id, hw="", public_key="", fingerprint="", state="", requested_at=now)
        row.token_id, row.way, row.hw, row.public_key = None, Way.RENEWAL.value, device.hw, public
        row.fingerprint, row.requested_at, row.state = fingerprint_of(public), now, "pending"
        row.decided_at, row.decided_by = None, ""
        session.add(row)
        detail = {"fingerprint": row.fingerprint, "expired": str(device.certificate_expires_at)}
        audit.record(session, f"device:{device.id}", "device.return", f"device:{device.id}", detail, now)
    match row.state:
        case "pending":
            return ""
        case "refused":
            return f"An operator refused {device.id}."
        case _:
            row.state = "enrolled"
            session.add(row)
            return None


def _public(csr: x509.CertificateSigningRequest) -> str:
    key = csr.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # read_request refuses the rest
    return public_to_pem(key).decode()
