"""Finding devices and what belongs to them."""

from __future__ import annotations

import pytest
from sqlmodel import select

from surefoot_server.devices import repository
from surefoot_server.devices.models import Device
from surefoot_shared.errors import NotFound
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, Rig, hello, later, outcome, runs


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.device("cam-1", hw="rpi5", tags=["lab"])
    rig.device("cam-2", hw="jetson-orin")
    rig.device("door_1", hw="rpi5")
    rig.release("app/1.0")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-2", components=(runs("app/1.0"),), hw="jetson-orin"), NOW)
    return rig


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["cam-1", "cam-2", "door_1"]),
        ("CAM", ["cam-1", "cam-2"]),
        ("jetson", ["cam-2"]),
        ("lab", ["cam-1"]),
        ("hanoi", ["cam-1", "cam-2", "door_1"]),
        ("app/1.0", ["cam-2"]),
        ("%", []),
        ("_", ["door_1"]),
    ],
)
def test_a_text_finds_devices_by_id_hardware_tag_attribute_and_release(fleet: Rig, text: str, found: list[str]) -> None:
    with fleet.db.read() as session:
        assert [d.id for d in repository.search(session, text, 10)] == found


def test_a_page_goes_on_after_the_last_id(fleet: Rig) -> None:
    with fleet.db.read() as session:
        first = repository.search(session, "", 2)
        rest = repository.search(session, "", 2, after=first[-1].id)

    assert [d.id for d in [*first, *rest]] == ["cam-1", "cam-2", "door_1"]


def test_a_view_holds_the_newest_assignment_of_each_component(fleet: Rig) -> None:
    fleet.assign("cam-1", fleet.release("app/1.1"))
    newest = fleet.assign("cam-1", fleet.release("app/1.2"))
    model = fleet.assign("cam-1", fleet.release("model/3"))
    fleet.events("cam-1", outcome(model, 1, Outcome.FAILED, reason="no_space"))

    with fleet.db.read() as session:
        view = repository.views(session, [repository.device(session, "cam-1")])[0]

    assert {row.id for row in view.assignments} == {newest.id, model.id}
    assert view.wanted == {"app": "app/1.2"}
    assert view.tags == ("lab",)


def test_a_missing_device_is_named(rig: Rig) -> None:
    with rig.db.read() as session, pytest.raises(NotFound, match="cam-9"):
        repository.device(session, "cam-9")


def test_many_devices_are_touched_in_one_statement(fleet: Rig) -> None:
    with fleet.db.write() as session:
        repository.touch(session, ["door_1", "cam-1"], later(10))

    with fleet.db.read() as session:
        seen = {d.id: d.last_seen_at for d in session.exec(select(Device))}
    assert (seen["cam-1"], seen["door_1"], seen["cam-2"]) == (later(10), later(10), NOW)


def test_outcomes_are_listed_the_newest_first(fleet: Rig) -> None:
    first, second = fleet.assign("cam-1", fleet.release("app/1.1")), fleet.assign("cam-2", "app/1.1")
    fleet.events("cam-2", outcome(second, 1, Outcome.COMMITTED), now=later(1))
    fleet.events("cam-1", outcome(first, 1, Outcome.REVERTED), now=later(2))

    with fleet.db.read() as session:
        assert [row.device_id for row in repository.recent_outcomes(session, 10)] == ["cam-1", "cam-2"]
