"""What the authority certifies, and above all what it does not."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from surefoot_server.pki.ca import CertificateAuthority, create_ca, load_ca, prepare_pki, read_request
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.identity import generate_key
from tests.server.broker.rig import request as csr

NOW = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.timezone.utc)


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return create_ca(tmp_path / "ca", "hanoi", NOW)


def issued(ca: CertificateAuthority, device: str = "cam-1") -> x509.Certificate:
    return x509.load_pem_x509_certificate(ca.issue_device(csr(device, generate_key()), device, NOW))


def test_a_device_certificate_is_for_one_name_one_use_and_ninety_days(ca: CertificateAuthority) -> None:
    certificate = issued(ca)

    extensions = certificate.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["cam-1"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:surefoot:hanoi:cam-1"]
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert (constraints.value.ca, constraints.critical) == (False, True)
    assert certificate.not_valid_before_utc == NOW - dt.timedelta(hours=24)
    assert certificate.not_valid_after_utc == NOW + dt.timedelta(days=90)
    certificate.verify_directly_issued_by(ca.certificate)


@pytest.mark.parametrize(
    "name", ["+", "#", "dev-1/#", "a/b", "", "svc-server", "svc-x", "a" * 65, "ä", "a b", "$SYS", "a\nb", "-a", ".a"]
)
def test_a_name_that_is_no_device_id_is_never_certified(ca: CertificateAuthority, name: str) -> None:
    request = csr(name or "x", generate_key()) if len(name) <= 64 else csr("x", generate_key())

    with pytest.raises(Invalid, match="not a device id"):
        ca.issue_device(request, name, NOW)


def test_a_request_for_another_name_is_refused(ca: CertificateAuthority) -> None:
    with pytest.raises(Invalid, match="not for 'cam-2'"):
        ca.issue_device(csr("cam-1", generate_key()), "cam-2", NOW)


def test_a_request_with_two_names_is_refused() -> None:
    key = generate_key()
    both = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n) for n in ("cam-1", "cam-2")])
    request = x509.CertificateSigningRequestBuilder().subject_name(both).sign(key, hashes.SHA256())

    with pytest.raises(Invalid, match="cam-2"):
        read_request(request.public_bytes(serialization.Encoding.PEM), "cam-1")


def test_a_request_with_somebody_elses_key_is_refused() -> None:
    der = x509.load_pem_x509_csr(csr("cam-1", generate_key())).public_bytes(serialization.Encoding.DER)
    stolen = generate_key().public_key()
    mine = x509.load_der_x509_csr(der).public_key()
    assert isinstance(mine, ec.EllipticCurvePublicKey)
    swapped = der.replace(_point(mine), _point(stolen))
    request = x509.load_der_x509_csr(swapped).public_bytes(serialization.Encoding.PEM)

    with pytest.raises(Invalid, match="not signed with its own key"):
        read_request(request, "cam-1")


def test_a_key_of_another_kind_is_refused() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cam-1")])
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        with pytest.raises(Invalid, match="not P-256"):
            read_request(request.public_bytes(serialization.Encoding.PEM), "cam-1")


@pytest.mark.parametrize(
    "text", [b"", b"rubbish", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"]
)
def test_a_request_that_cannot_be_read_is_refused_as_malformed(text: bytes) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        read_request(text, "cam-1")


def test_extensions_that_a_request_asks_for_are_not_granted(ca: CertificateAuthority) -> None:
    key = generate_key()
    wishful = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cam-1")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=3), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )

    pem = ca.issue_device(wishful.public_bytes(serialization.Encoding.PEM), "cam-1", NOW)

    extensions = x509.load_pem_x509_certificate(pem).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_server_certificate_names_its_hosts_and_addresses_and_is_no_clients(ca: CertificateAuthority) -> None:
    pem = ca.issue_server(["ota.example", "192.0.2.7", "2001:db8::7"], generate_key().public_key(), NOW)

    extensions = x509.load_pem_x509_certificate(pem).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ota.example"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("192.0.2.7"),
        ipaddress.ip_address("2001:db8::7"),
    ]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_server_certificate_without_a_host_is_refused(ca: CertificateAuthority) -> None:
    with pytest.raises(ConfigError, match="at least one host"):
        ca.issue_server([], generate_key().public_key(), NOW)


def test_a_service_certificate_is_for_services_only(ca: CertificateAuthority) -> None:
    with pytest.raises(ValueError, match="cam-1"):
        ca.issue_service("cam-1", generate_key().public_key(), NOW)


def test_no_certificate_outlives_its_authority(ca: CertificateAuthority) -> None:
    late = ca.certificate.not_valid_after_utc - dt.timedelta(days=1)

    certificate = x509.load_pem_x509_certificate(ca.issue_device(csr("cam-1", generate_key()), "cam-1", late))

    assert certificate.not_valid_after_utc == ca.certificate.not_valid_after_utc


def test_the_authority_signs_leaves_only(ca: CertificateAuthority) -> None:
    constraints = ca.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value

    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_a_loaded_authority_is_the_created_one(ca: CertificateAuthority, tmp_path: Path) -> None:
    loaded = load_ca(tmp_path / "ca")

    assert (loaded.pem, loaded.fleet) == (ca.pem, "hanoi")


def test_an_authority_is_never_overwritten(ca: CertificateAuthority, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="already holds") as caught:
        create_ca(tmp_path / "ca")

    assert caught.value.kind == "conflict"
    assert load_ca(tmp_path / "ca").pem == ca.pem


def test_an_authority_whose_key_others_can_read_is_refused(ca: CertificateAuthority, tmp_path: Path) -> None:
    (tmp_path / "ca" / "ca.key").chmod(0o640)

    with pytest.raises(ConfigError) as caught:
        load_ca(tmp_path / "ca")

    assert caught.value.kind == "key_permissions"


def test_a_missing_authority_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ca\.key") as caught:
        load_ca(tmp_path)

    assert caught.value.kind == "key_missing"


def test_a_key_that_is_not_the_certificates_is_refused(ca: CertificateAuthority, tmp_path: Path) -> None:
    create_ca(tmp_path / "other")
    (tmp_path / "ca" / "ca.pem").write_bytes((tmp_path / "other" / "ca.pem").read_bytes())

    with pytest.raises(ConfigError, match="does not belong"):
        load_ca(tmp_path / "ca")


@pytest.mark.parametrize("name", ["ca.key", "ca.pem"])
def test_an_unreadable_authority_is_a_config_error(ca: CertificateAuthority, tmp_path: Path, name: str) -> None:
    (tmp_path / "ca" / name).write_bytes(b"rubbish")

    with pytest.raises(ConfigError) as caught:
        load_ca(tmp_path / "ca")

    assert caught.value.kind == "config_invalid"


def test_server_files_are_kept_from_start_to_start(ca: CertificateAuthority, tmp_path: Path) -> None:
    first = prepare_pki(tmp_path / "pki", ca, ["ota.example"], NOW)
    before = [p.read_bytes() for p in (first.server_cert, first.server_key, first.service_cert, first.service_key)]

    prepare_pki(tmp_path / "pki", ca, ["ota.example"], NOW + dt.timedelta(days=30))

    assert [
        p.read_bytes() for p in (first.server_cert, first.server_key, first.service_cert, first.service_key)
    ] == before


@pytest.mark.parametrize("change", ["hosts", "age", "authority", "key", "rubbish"])
def test_server_files_that_no_longer_serve_are_made_anew(ca: CertificateAuthority, tmp_path: Path, change: str) -> None:
    files = prepare_pki(tmp_path / "pki", ca, ["ota.example"], NOW)
    old, hosts, at, by = files.server_cert.read_bytes(), ["ota.example"], NOW, ca
    if change == "hosts":
        hosts = ["new.example"]
    elif change == "age":
        at = NOW + dt.timedelta(days=380)
    elif change == "authority":
        by = create_ca(tmp_path / "next", "hanoi", NOW)
    elif change == "key":
        files.server_key.write_bytes(files.service_key.read_bytes())
    else:
        files.server_cert.write_bytes(b"rubbish")

    prepare_pki(tmp_path / "pki", by, hosts, at)

    fresh = x509.load_pem_x509_certificate(files.server_cert.read_bytes())
    fresh.verify_directly_issued_by(by.certificate)
    assert files.server_cert.read_bytes() != old
    assert files.ca.read_bytes() == by.pem


def test_the_local_names_are_always_served(ca: CertificateAuthority, tmp_path: Path) -> None:
    files = prepare_pki(tmp_path / "pki", ca, ["ota.example"], NOW)

    names = x509.load_pem_x509_certificate(files.server_cert.read_bytes()).extensions
    alternative = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == ["ota.example", "localhost"]
    assert alternative.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
