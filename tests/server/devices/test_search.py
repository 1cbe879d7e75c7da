"""The devices that a text, a cohort and a standing mean, together and page by page."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from surefoot_server.cohorts import service as cohorts
from surefoot_server.devices import search
from surefoot_server.devices.models import Device
from surefoot_server.devices.search import Selection, Standing, Tally
from surefoot_shared.errors import Invalid, NotFound
from tests.server.rig import NOW, Rig, hello, runs


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.device("cam-1", tags=["lab", "Roof"])
    rig.device("cam-2", hw="jetson-orin", tags=["canary"])
    rig.device("door_1")
    rig.release("app/1.0")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-2", components=(runs("app/1.0"),), hw="jetson-orin"), NOW)
        door = session.get(Device, "door_1")
        assert door is not None
        door.attributes, door.attention = {"site": "Hà Nội"}, "rescue"
        session.add(door)
    return rig


def found(session: Session, selection: Selection) -> list[str]:
    every = search.ids(session, selection)
    assert [d.id for d in search.page(session, selection, 10)] == every
    assert search.tally(session, selection).devices == len(every)
    return every


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", ["cam-1", "cam-2", "door_1"]),
        ("  ", ["cam-1", "cam-2", "door_1"]),
        ("CAM", ["cam-1", "cam-2"]),
        ("jetson", ["cam-2"]),
        ("roof", ["cam-1"]),
        ("app/1", ["cam-2"]),
        ("hà", ["door_1"]),
        ("cam hanoi rpi5", ["cam-1"]),
        ("cam lab canary", []),
        ("%", []),
        ("_", ["door_1"]),
        ("hanoi' or 1=1 --", []),
    ],
)
def test_every_word_is_found_somewhere_in_the_device(fleet: Rig, text: str, ids: list[str]) -> None:
    with fleet.db.read() as session:
        assert found(session, Selection(text)) == ids


def test_a_cohort_is_a_saved_name_or_an_expression(fleet: Rig) -> None:
    with fleet.db.write() as session:
        cohorts.create(session, "orins", "hw ~ 'jetson-*'", "anna", NOW)

    with fleet.db.read() as session:
        assert found(session, Selection(cohort="orins")) == ["cam-2"]
        assert found(session, Selection(cohort="not tag('lab')")) == ["cam-2", "door_1"]
        assert found(session, Selection("door", "not tag('lab')")) == ["door_1"]


def test_a_cohort_that_nobody_saved_or_that_cannot_be_read_is_refused(fleet: Rig) -> None:
    with fleet.db.read() as session:
        with pytest.raises(NotFound, match="no cohort 'orins'"):
            search.ids(session, Selection(cohort="orins"))
        with pytest.raises(Invalid, match="column"):
            search.ids(session, Selection(cohort="hw =="))


def test_devices_are_found_by_how_they_stand(fleet: Rig) -> None:
    fleet.assign("cam-2", fleet.release("app/1.1"))
    with fleet.db.write() as session:
        fleet.devices.revoke(session, "cam-1", "anna", NOW)

    with fleet.db.read() as session:
        by_standing = {standing: found(session, Selection(standing=standing)) for standing in Standing}
        counted = search.tally(session, Selection())

    assert by_standing[Standing.ATTENTION] == ["door_1"]
    assert by_standing[Standing.ONLINE] == ["cam-2"]
    assert by_standing[Standing.OFFLINE] == ["door_1"]
    assert by_standing[Standing.UPDATING] == ["cam-2"]
    assert by_standing[Standing.REVOKED] == ["cam-1"]
    assert counted == Tally(devices=3, online=1, attention=1)


def test_a_page_goes_on_after_the_last_id(fleet: Rig) -> None:
    with fleet.db.read() as session:
        first = search.page(session, Selection(), 2)
        rest = search.page(session, Selection(), 2, after=first[-1].id)

    assert [d.id for d in [*first, *rest]] == ["cam-1", "cam-2", "door_1"]


def test_every_tag_is_named_once(fleet: Rig) -> None:
    fleet.device("cam-9", tags=["lab"])

    with fleet.db.read() as session:
        assert search.all_tags(session) == ["Roof", "canary", "lab"]


def test_a_fleet_without_tags_has_none(rig: Rig) -> None:
    with rig.db.read() as session:
        assert search.all_tags(session) == []


def test_a_selection_without_anything_means_everybody() -> None:
    assert Selection("  ").everybody
    assert not Selection(standing=Standing.ONLINE).everybody
    assert not Selection(cohort="all").everybody
