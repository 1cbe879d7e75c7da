"""A list that tells which certificates are revoked, and that never locks out the fleet by being late."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from surefoot_server.pki.ca import CertificateAuthority, create_ca
from surefoot_server.pki.crl import LIFE, REFRESH_S, Revoked, make_crl, next_update

NOW = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.timezone.utc)


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return create_ca(tmp_path / "ca", "hanoi", NOW)


def test_the_list_names_what_is_revoked_and_is_signed_by_the_authority(ca: CertificateAuthority) -> None:
    crl = x509.load_pem_x509_crl(make_crl([ca], [Revoked(0xABC, NOW)], NOW))

    public = ca.certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(public)
    assert crl.get_revoked_certificate_by_serial_number(0xABC) is not None
    assert crl.get_revoked_certificate_by_serial_number(0xABD) is None


def test_it_holds_good_for_at_least_thirty_days_after_a_missed_refresh(ca: CertificateAuthority) -> None:
    pem = make_crl([ca], (), NOW)

    ends = next_update(pem)
    assert ends is not None
    assert ends - NOW >= dt.timedelta(days=30) + dt.timedelta(seconds=REFRESH_S)
    assert ends == NOW + LIFE


def test_it_counts_for_a_broker_whose_clock_lags(ca: CertificateAuthority) -> None:
    assert x509.load_pem_x509_crl(make_crl([ca], (), NOW)).last_update_utc < NOW - dt.timedelta(hours=23)


def test_each_authority_has_its_own_list(ca: CertificateAuthority, tmp_path: Path) -> None:
    pem = make_crl([ca, create_ca(tmp_path / "next", "hanoi", NOW)], (), NOW)

    assert pem.count(b"BEGIN X509 CRL") == 2


def test_what_is_no_list_has_no_end() -> None:
    assert next_update(b"rubbish") is None
