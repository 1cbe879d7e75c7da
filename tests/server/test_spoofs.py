"""A header that claims a client's certificate is refused and audited, whatever else the request carries."""

from __future__ import annotations

import pytest

from surefoot_server.audit import service as audit
from tests.server.rig import Rig

HEADERS = (
    "X-SSL-Client-CN",
    "X-SSL-Client-Verify",
    "SSL-Client-Cert",
    "X-Client-Cert",
    "X-Client-CN",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "Client-Cert",
    "X-ARR-ClientCert",
    "X-Amzn-Mtls-Clientcert",
    "x-ssl-cert",
)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_speaks_for_a_certificate_is_refused_and_audited(rig: Rig, header: str) -> None:
    rig.device("cam-1")

    answer = rig.device_client().get("/api/v1/bundle", headers={header: "CN=cam-1"})

    assert (answer.status_code, answer.json()["kind"]) == (403, "not_allowed")
    with rig.db.read() as session:
        newest = audit.entries(session)[0]
    assert (newest.action, newest.detail) == ("certificate-header.refused", {"header": header.lower()})


def test_a_flood_of_them_makes_one_row(rig: Rig) -> None:
    for _ in range(5):
        rig.device_client().get("/api/v1/bundle", headers={"X-Client-Cert": "x"})

    with rig.db.read() as session:
        assert [row.action for row in audit.entries(session)].count("certificate-header.refused") == 1


def test_ordinary_headers_pass(rig: Rig) -> None:
    headers = {"X-Forwarded-For": "10.0.0.1", "User-Agent": "x-client", "X-Request-Id": "1"}

    assert rig.device_client().get("/api/v1/bundle", headers=headers).status_code == 401
