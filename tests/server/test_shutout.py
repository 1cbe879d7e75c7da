"""Who is kept out of the broker follows from the rows."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from surefoot_server.enrolment.service import TokenWish
from surefoot_server.pki.ca import load_ca
from surefoot_server.shutout import shut_out
from tests.server.enrolment.asking import Node, make_token
from tests.server.rig import NOW, Rig, later


def listed(rig: Rig, seconds: float = 0.0) -> tuple[set[str], set[str], int]:
    """Names, serials, and how many the signed list holds."""
    out = shut_out(rig.db, [load_ca(rig.keys / "online")], later(seconds))
    return set(out.names), set(out.serials), len(list(x509.load_pem_x509_crl(out.crl)))


def test_nobody_is_kept_out_at_first_and_the_list_is_there_all_the_same(rig: Rig) -> None:
    rig.device("cam-1")

    assert listed(rig) == (set(), set(), 0)


def test_a_revoked_device_is_kept_out_by_name_and_by_certificate(rig: Rig) -> None:
    Node(rig).ask(make_token(rig))
    serial = rig.device_row("cam-1").certificate_serial

    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    assert listed(rig) == ({"cam-1"}, {serial}, 1)


def test_a_replaced_device_keeps_its_name_and_loses_its_old_certificate(rig: Rig) -> None:
    Node(rig).ask(make_token(rig))
    old = rig.device_row("cam-1").certificate_serial

    Node(rig).ask(make_token(rig, TokenWish(device_id="cam-1", replace=True, auto_approve=True)))

    assert listed(rig) == (set(), {old}, 1)


def test_a_certificate_that_ended_by_itself_leaves_the_list(rig: Rig) -> None:
    Node(rig).ask(make_token(rig))
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    assert listed(rig, timedelta(days=100).total_seconds())[1:] == (set(), 0)
