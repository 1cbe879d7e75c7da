"""Tags of many devices at once: exactly those that were confirmed, or none."""

from __future__ import annotations

import pytest
from sqlmodel import Session, select

from surefoot_server.audit import service as audit
from surefoot_server.devices import search, tagging
from surefoot_server.devices.models import DeviceTag
from surefoot_server.devices.search import Selection
from surefoot_server.devices.tagging import MOST_TAGS, Retagged
from surefoot_shared.errors import Conflict, Invalid
from tests.server.rig import NOW, Rig

LAB = Selection(cohort="tag('lab')")


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.device("cam-1", tags=["lab"])
    rig.device("cam-2", tags=["lab", "old"])
    rig.device("cam-3", tags=["old"])
    return rig


def tags(session: Session) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in session.exec(select(DeviceTag)):
        found.setdefault(row.device_id, set()).add(row.tag)
    return found


def test_tags_are_added_and_removed_on_the_devices_that_are_meant_and_on_no_other(fleet: Rig) -> None:
    with fleet.db.write() as session:
        done = tagging.retag(session, LAB, ["canary", "old"], ["lab"], 2, "anna", NOW)

    with fleet.db.read() as session:
        assert tags(session) == {"cam-1": {"canary", "old"}, "cam-2": {"canary", "old"}, "cam-3": {"old"}}
    assert done == Retagged(devices=2, added=3, removed=2)


def test_one_audit_row_names_every_device_and_what_was_asked(fleet: Rig) -> None:
    with fleet.db.write() as session:
        tagging.retag(session, LAB, ["canary"], ["old"], 2, "anna", NOW)

    with fleet.db.read() as session:
        row = audit.entries(session, limit=1)[0]
    assert (row.actor, row.action, row.object) == ("anna", "device.tags", "devices:2")
    assert row.detail["devices"] == ["cam-1", "cam-2"]
    assert (row.detail["add"], row.detail["remove"], row.detail["cohort"]) == (["canary"], ["old"], "tag('lab')")
    assert (row.detail["added"], row.detail["removed"]) == (2, 1)


def test_it_is_refused_where_other_devices_are_meant_than_were_confirmed(fleet: Rig) -> None:
    with pytest.raises(Conflict, match="2 devices are meant now and 1 were confirmed"), fleet.db.write() as session:
        tagging.retag(session, LAB, ["canary"], [], 1, "anna", NOW)

    with fleet.db.read() as session:
        assert search.all_tags(session) == ["lab", "old"]


def test_no_device_gets_more_tags_than_a_person_reads(fleet: Rig) -> None:
    many = [f"t{n}" for n in range(MOST_TAGS)]

    with pytest.raises(Conflict, match=f"cam-1 would have {MOST_TAGS + 1} tags"), fleet.db.write() as session:
        tagging.retag(session, LAB, many, [], 2, "anna", NOW)

    with fleet.db.read() as session:
        assert tags(session)["cam-1"] == {"lab"}


@pytest.mark.parametrize(
    ("add", "remove", "words"),
    [
        ([], [], "No tag is given"),
        (["-x"], [], "'-x' is no tag"),
        ([], ["a b"], "'a b' is no tag"),
        (["lab"], ["lab"], "cannot be added and removed"),
    ],
)
def test_what_is_no_change_of_tags_is_refused(fleet: Rig, add: list[str], remove: list[str], words: str) -> None:
    with pytest.raises(Invalid, match=words), fleet.db.write() as session:
        tagging.retag(session, LAB, add, remove, 2, "anna", NOW)
