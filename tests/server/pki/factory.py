"""A manufacturer: authorities and device certificates, good and bad."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from surefoot_shared.identity import DeviceKey, generate_key

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.timezone.utc)


@dataclass(frozen=True)
class Maker:
    """One authority of the manufacturer."""

    certificate: x509.Certificate
    key: DeviceKey

    @property
    def pem(self) -> bytes:
        return pem(self.certificate)

    def authority(self, name: str, *, signs: bool = True) -> Maker:
        key = generate_key()
        return Maker(make(name, key.public_key(), self.certificate.subject, self.key, ca=signs), key)

    def device(self, name: str, key: DeviceKey, *, days: int = 3650) -> x509.Certificate:
        return make(name, key.public_key(), self.certificate.subject, self.key, ca=False, days=days)


def maker(name: str = "Maker root", *, signs: bool = True, days: int = 3650) -> Maker:
    key = generate_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return Maker(make(name, key.public_key(), subject, key, ca=signs, days=days), key)


def make(
    name: str, public: ec.EllipticCurvePublicKey, issuer: x509.Name, by: DeviceKey, *, ca: bool, days: int = 3650
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=10))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    return builder.sign(by, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)
