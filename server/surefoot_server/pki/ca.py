"""The fleet's certificate authority: says who is which device, to the broker and to every listener.

Promises: a device certificate names exactly one valid device id (the broker's access rules are built on that name, so a
wildcard in it would open every topic), serves client authentication only, cannot sign others, and lives 90 days.
Refuses a request not signed with its own key, a key that is not P-256, and any name but the one asked for.
The private key of a device never comes here: requests carry the public half. Sources: RFC 5280, RFC 2986; DESIGN §6.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from surefoot_server.pki.files import CA_CERT, CA_KEY, PkiFiles, write_private
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.identity import DeviceKey, generate_key, key_from_pem, key_to_pem
from surefoot_shared.topics import SERVICE_PREFIX, check_device_id

DEVICE_LIFE = dt.timedelta(days=90)
"""Short enough that a lost device's certificate ends by itself, long enough for a device that sleeps a season."""
LEAF_LIFE = dt.timedelta(days=397)
"""Longest life that TLS clients accept for a server's certificate."""
CA_LIFE = dt.timedelta(days=3650)
RENEW_BEFORE = dt.timedelta(days=30)
BACKDATE = dt.timedelta(hours=24)
"""Device clocks lag: a certificate that begins now would not be valid yet for them."""
SERVER_SERVICE = f"{SERVICE_PREFIX}server"
DEFAULT_FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A loaded CA; every method returns PEM and changes nothing."""

    certificate: x509.Certificate
    key: DeviceKey
    fleet: str

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue_device(self, csr_pem: bytes, device_id: str, now: dt.datetime | None = None) -> bytes:
        """Certify the key of a signed request as `device_id`; raises Invalid where the request does not fit."""
        check_device_id(device_id)
        request = read_request(csr_pem, device_id)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:surefoot:{self.fleet}:{device_id}")]
        public = request.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)  # read_request refuses the rest
        return self._leaf(device_id, public, names, ExtendedKeyUsageOID.CLIENT_AUTH, DEVICE_LIFE, now)

    def issue_server(
        self, hosts: Sequence[str], public: ec.EllipticCurvePublicKey, now: dt.datetime | None = None
    ) -> bytes:
        """Certify a listener's key for the given host names and addresses."""
        if not hosts:
            raise ConfigError("config_invalid", "A server certificate needs at least one host name or address.")
        names = [_general_name(h) for h in hosts]
        return self._leaf(hosts[0], public, names, ExtendedKeyUsageOID.SERVER_AUTH, LEAF_LIFE, now)

    def issue_service(self, name: str, public: ec.EllipticCurvePublicKey, now: dt.datetime | None = None) -> bytes:
        """Certify one of the server's own roles (svc-…) as a client of the broker."""
        if not name.startswith(SERVICE_PREFIX):
            raise ValueError(name)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:surefoot:{self.fleet}:{name}")]
        return self._leaf(name, public, names, ExtendedKeyUsageOID.CLIENT_AUTH, LEAF_LIFE, now)

    def _leaf(
        self,
        common_name: str,
        public: ec.EllipticCurvePublicKey,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        life: dt.timedelta,
        now: dt.datetime | None,
    ) -> bytes:
        at = now or dt.datetime.now(dt.timezone.utc)
        # A leaf must not outlive its CA: the chain would fail while the leaf still looks valid.
        ends = min(at + life, self.certificate.not_valid_after_utc)
        builder = _builder(_name(common_name[:64], self.fleet), self.certificate.subject, public, at - BACKDATE, ends)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(leaf=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(authority, critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def create_ca(directory: Path, fleet: str = DEFAULT_FLEET, now: dt.datetime | None = None) -> CertificateAuthority:
    """Make a CA and write `ca.key` and `ca.pem`, both 0600; raises ConfigError where there is one already."""
    if (directory / CA_KEY).exists() or (directory / CA_CERT).exists():
        raise ConfigError("conflict", f"{directory} already holds a certificate authority.", "Choose another folder.")
    check_device_id(fleet)  # the fleet's name stands in every certificate's URI: the same letters are safe there
    at, key = now or dt.datetime.now(dt.timezone.utc), generate_key()
    name = _name(f"Surefoot CA of {fleet}"[:64], fleet)
    certificate = (
        _builder(name, name, key.public_key(), at - BACKDATE, at + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(leaf=False), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(directory / CA_KEY, key_to_pem(key))
    write_private(directory / CA_CERT, certificate.public_bytes(serialization.Encoding.PEM))
    return CertificateAuthority(certificate, key, fleet)


def load_ca(directory: Path) -> CertificateAuthority:
    """Read what `create_ca` wrote; raises ConfigError (key_missing, key_permissions, config_invalid)."""
    key_file, cert_file = directory / CA_KEY, directory / CA_CERT
    try:
        if key_file.stat().st_mode & 0o077:
            raise ConfigError("key_permissions", f"{key_file} can be read by others.")
        key = key_from_pem(key_file.read_bytes())
        certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    except OSError as error:
        raise ConfigError("key_missing", f"The authority {error.filename} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError("config_invalid", f"{cert_file} is not a certificate.") from error
    if _spki(certificate.public_key()) != _spki(key.public_key()):
        raise ConfigError("config_invalid", f"{key_file} does not belong to {cert_file}.")
    return CertificateAuthority(certificate, key, _organisation(certificate))


def prepare_pki(
    directory: Path,
    ca: CertificateAuthority,
    hosts: Sequence[str],
    now: dt.datetime | None = None,
    trusted: bytes = b"",
) -> PkiFiles:
    """Leave a server and a service key pair in `directory`, made anew when due or when the hosts changed.

    `trusted` holds every authority that clients are checked against, where it is more than `ca`.
    """
    files, at = PkiFiles.under(directory), now or dt.datetime.now(dt.timezone.utc)
    wanted = list(dict.fromkeys([*hosts, "localhost", "127.0.0.1"]))
    write_private(files.ca, trusted or ca.pem)
    if not _serves(files.server_cert, files.server_key, ca, {_general_name(h) for h in wanted}, at):
        key = generate_key()
        write_private(files.server_key, key_to_pem(key))
        write_private(files.server_cert, ca.issue_server(wanted, key.public_key(), now))
    if not _serves(files.service_cert, files.service_key, ca, None, at):
        key = generate_key()
        write_private(files.service_key, key_to_pem(key))
        write_private(files.service_cert, ca.issue_service(SERVER_SERVICE, key.public_key(), now))
    return files


def read_request(csr_pem: bytes, device_id: str) -> x509.CertificateSigningRequest:
    """Return a request that proves possession of its P-256 key and asks for this very name; raises Invalid."""
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        public, genuine = request.public_key(), request.is_signature_valid
    except ValueError as error:
        raise Invalid("malformed", "The certificate request cannot be read.") from error
    if not genuine:
        raise Invalid("malformed", "The certificate request is not signed with its own key.")
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise Invalid("malformed", "The certificate request's key is not P-256.")
    names = [a.value for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [device_id]:
        raise Invalid("malformed", f"The certificate request is for {names!r}, not for {device_id!r}.")
    return request


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, begins: dt.datetime, ends: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(common_name: str, fleet: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, fleet), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def _organisation(certificate: x509.Certificate) -> str:
    values = [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return str(values[0]) if values else DEFAULT_FLEET


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        encipher_only=False,
        decipher_only=False,
    )


def _serves(
    cert: Path, key: Path, ca: CertificateAuthority, names: set[x509.GeneralName] | None, now: dt.datetime
) -> bool:
    """Whether a stored pair is of this CA, long-lived enough, for these names, and belongs together."""
    try:
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
        certificate.verify_directly_issued_by(ca.certificate)
        pair = key_from_pem(key.read_bytes())
    except (OSError, ValueError, TypeError, ConfigError, InvalidSignature):
        return False
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fits = names is None or set(alternative) == names
    lives = certificate.not_valid_after_utc - now > RENEW_BEFORE
    return fits and lives and _spki(pair.public_key()) == _spki(certificate.public_key())


def _spki(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey)  # this CA certifies nothing else
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
