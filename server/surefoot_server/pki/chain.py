"""Whether a manufacturer's certificates lead from a device's key to an authority that an operator registered.

Promises: every certificate of the chain is valid at the given moment, signed by the next, and all but the first may
sign; the end is one of the registered authorities, compared byte by byte. Refuses everything else with a reason for the
operator. Pure. Manufacturers' certificates seldom follow the rules of the public web, so neither usage nor alternative
names are asked for; the name of the device is the common name. Source: RFC 5280 §6, IEEE 802.1AR.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from surefoot_shared.errors import Invalid, NotAllowed
from surefoot_shared.identity import public_to_pem

CHAIN_BYTES = 16 * 1024
LONGEST = 5
"""Device, line, site, manufacturer and its root: nobody is known to use more."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a chain proves: this key belongs to this name, says this authority."""

    name: str
    public_key: str
    authority: x509.Certificate


def verify_chain(pem: bytes, authorities: Sequence[x509.Certificate], now: datetime) -> Proven:
    """Walk from the leaf to a registered authority; raises Invalid for what cannot be read, NotAllowed for the rest."""
    chain = _read(pem)
    for certificate in chain:
        _check_dates(certificate, now)
    for below, above in itertools.pairwise(chain):
        _check_issued(below, above)
    authority = next((a for a in authorities if _ends_at(chain[-1], a)), None)
    if authority is None:
        raise NotAllowed("enrolment_refused", "The factory certificate leads to no registered authority.")
    _check_dates(authority, now)
    key = chain[0].public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise NotAllowed("enrolment_refused", "The factory certificate's key is not P-256.")
    names = [str(a.value) for a in chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(names) != 1:
        raise NotAllowed("enrolment_refused", "The factory certificate does not have exactly one common name.")
    return Proven(names[0], public_to_pem(key).decode(), authority)


def read_authority(pem: bytes, now: datetime) -> x509.Certificate:
    """Return a certificate that may be registered as an authority; raises Invalid."""
    found = _read(pem)
    if len(found) != 1:
        raise Invalid("malformed", "Give the one certificate of the authority itself.")
    try:
        _check_signs(found[0])
        _check_dates(found[0], now)
    except NotAllowed as error:
        raise Invalid("malformed", error.message) from error
    return found[0]


def _read(pem: bytes) -> list[x509.Certificate]:
    if len(pem) > CHAIN_BYTES:
        raise Invalid("malformed", f"The factory certificates have {len(pem)} bytes; {CHAIN_BYTES} are allowed.")
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise Invalid("malformed", "The factory certificates cannot be read.") from error
    if len(chain) > LONGEST:
        raise Invalid("malformed", f"There are {len(chain)} factory certificates; {LONGEST} are allowed.")
    return chain


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        name = certificate.subject.rfc4514_string()[:80]
        raise NotAllowed("enrolment_refused", f"The factory certificate of {name} is not valid now.")


def _check_issued(below: x509.Certificate, above: x509.Certificate) -> None:
    _check_signs(above)
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise NotAllowed("enrolment_refused", "The factory certificates do not follow from each other.") from error


def _check_signs(certificate: x509.Certificate) -> None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise NotAllowed("enrolment_refused", "A factory certificate signs others and must not.") from error
    if not constraints.ca:
        raise NotAllowed("enrolment_refused", "A factory certificate signs others and must not.")


def _ends_at(last: x509.Certificate, authority: x509.Certificate) -> bool:
    if last == authority:
        return True
    try:
        last.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
