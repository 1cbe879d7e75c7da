"""The revocation list: which certificates of the fleet's authority open no connection, though their dates say they do.

Promises: a list holds good for LIFE, far longer than the day after which it is made anew, because a broker refuses
every device once its list is overdue (measured: mosquitto 2.0.11). Certificates that ended by themselves are left out,
so it stays short. Pure. Source: RFC 5280 §5.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from surefoot_server.pki.ca import BACKDATE, CertificateAuthority

LIFE = dt.timedelta(days=45)
"""A server that is off for a month must not lock out the fleet when it returns before its first refresh."""
REFRESH_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Revoked:
    serial: int
    at: dt.datetime


def make_crl(authorities: Iterable[CertificateAuthority], revoked: Iterable[Revoked], now: dt.datetime) -> bytes:
    """One list of each authority, PEM: a checker wants the list of whoever issued what it looks at."""
    listed = list(revoked)
    return b"".join(_of_one(ca, listed, now) for ca in authorities)


def next_update(pem: bytes) -> dt.datetime | None:
    """When the list is overdue; None for what is no list."""
    try:
        return x509.load_pem_x509_crl(pem).next_update_utc
    except ValueError:
        return None


def _of_one(ca: CertificateAuthority, revoked: Iterable[Revoked], now: dt.datetime) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(now - BACKDATE)
        .next_update(now + LIFE)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.at)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
