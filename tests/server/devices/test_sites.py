"""Sites as their devices name them, and where they are."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.devices import sites
from surefoot_server.devices.models import Device
from surefoot_server.devices.sites import Site
from surefoot_shared.errors import Conflict, Invalid, NotFound
from tests.server.rig import NOW, Rig


def put(rig: Rig, device: str, **attributes: str) -> None:
    rig.device(device)
    with rig.db.write() as session:
        row = session.get(Device, device)
        assert row is not None
        row.attributes = attributes
        session.add(row)


def read(rig: Rig) -> dict[str, Site]:
    with rig.db.read() as session:
        return {site.name: site for site in sites.sites(session)}


def change(session: Session, device: str, **fields: object) -> None:
    row = session.get(Device, device)
    assert row is not None
    for name, value in fields.items():
        setattr(row, name, value)
    session.add(row)


def test_a_site_counts_the_devices_that_name_it_and_no_revoked_one(rig: Rig) -> None:
    for name in ("cam-1", "cam-2", "cam-3"):
        put(rig, name, site="hn")
    put(rig, "cam-4")
    with rig.db.write() as session:
        change(session, "cam-1", online=True)
        rig.devices.revoke(session, "cam-3", "anna", NOW)

    assert read(rig) == {"hn": Site("hn", devices=2, online=1)}


def test_the_worst_that_holds_is_its_state(rig: Rig) -> None:
    assert Site("x", devices=2).state == "offline"
    assert Site("x", devices=2, online=1).state == "online"
    assert Site("x", devices=2, online=1, updating=1).state == "updating"
    assert Site("x", devices=2, online=1, updating=1, attention=1).state == "attention"


def test_its_place_is_that_of_the_first_device_with_one_that_is_on_earth(rig: Rig) -> None:
    put(rig, "cam-1", site="hn", latitude="north", longitude="105.8")
    put(rig, "cam-2", site="hn", latitude="91", longitude="105.8")
    put(rig, "cam-3", site="hn", latitude="nan", longitude="1")
    put(rig, "cam-4", site="hn", latitude="21.03", longitude="105.85")
    put(rig, "cam-5", site="hn", latitude="0", longitude="0")

    assert (read(rig)["hn"].latitude, read(rig)["hn"].longitude) == (21.03, 105.85)


def test_a_place_is_written_to_every_device_of_the_site_with_one_audit_row(rig: Rig) -> None:
    put(rig, "cam-1", site="hn", latitude="1", longitude="2", own="x")
    put(rig, "cam-2", site="hn")
    put(rig, "cam-3", site="hn-2")

    with rig.db.write() as session:
        assert sites.place(session, "hn", 21.03, 105.85, 2, "anna", NOW) == 2

    assert rig.device_row("cam-1").attributes == {
        "site": "hn",
        "latitude": "21.03",
        "longitude": "105.85",
        "own": "x",
    }
    assert rig.device_row("cam-3").attributes == {"site": "hn-2"}
    with rig.db.read() as session:
        row = audit.entries(session, limit=1)[0]
    assert (row.action, row.object, row.detail["devices"]) == ("site.place", "site:hn", 2)
    assert row.detail["before"] == {"latitude": "1", "longitude": "2"}


def test_what_is_no_place_of_a_site_is_refused(rig: Rig) -> None:
    put(rig, "cam-1", site="hn")

    with rig.db.write() as session:
        with pytest.raises(Invalid, match="no place on Earth"):
            sites.place(session, "hn", 91, 0, 1, "anna", NOW)
        with pytest.raises(NotFound):
            sites.place(session, "nowhere", 1, 1, 0, "anna", NOW)
        with pytest.raises(Conflict, match="1 devices now and 2 were confirmed"):
            sites.place(session, "hn", 1, 1, 2, "anna", NOW)
