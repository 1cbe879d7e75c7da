"""What the pages of releases show."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.channels import service as promotion
from surefoot_server.console import releases
from surefoot_server.console.releases import Asked
from surefoot_shared.errors import NotFound
from tests.server.releases import shelf
from tests.server.rig import NOW, Rig, hello, runs


@pytest.fixture
def fleet(rig: Rig, tmp_path: Path) -> Rig:
    shelf.publish(rig, shelf.make(rig, tmp_path))
    rig.release("app/1.0")
    rig.device("cam-1", tags=["lab"])
    rig.device("cam-2")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.0"),)), NOW)
        promotion.create(session, "dev", None, "tag('lab')", "", "", "anna", NOW)
        promotion.create(session, "staging", "dev", "all", "", "", "anna", NOW)
    return rig


def read(rig: Rig, release: str) -> releases.Page:
    with rig.db.read() as session:
        return releases.read(session, session, rig.state.online, Asked(release, "anna", NOW))


def test_the_list_says_how_each_stands_and_on_how_many_it_runs(fleet: Rig) -> None:
    with fleet.db.read() as session:
        lines = releases.lines(session, fleet.state.online, "")

    assert [(line.release.id, line.standing, line.running, line.share) for line in lines] == [
        ("app/1.1", "listed", 0, 0.0),
        ("app/1.0", "withdrawn", 1, 1.0),
    ]


def test_a_release_names_its_channels_and_what_it_lacks_for_the_next(fleet: Rig) -> None:
    with fleet.db.write() as session:
        promotion.promote(session, "dev", "app/1.1", "anna", NOW)

    dev, staging = read(fleet, "app/1.1").steps

    assert dev.entry is not None
    assert dev.devices == 1
    assert not staging.ready
    assert any(not answer.met for answer in staging.answers)


def test_a_release_is_ready_for_the_first_channel_at_once(fleet: Rig) -> None:
    dev, _ = read(fleet, "app/1.1").steps

    assert dev.ready


def test_where_it_runs_is_told_by_hardware_and_site(fleet: Rig) -> None:
    fleet.assign("cam-2", "app/1.0")

    where = read(fleet, "app/1.0").where

    assert (where.running, where.by_hw, where.by_site) == (1, {"rpi5": 1}, {"hanoi": 1})
    assert (where.wanted, where.other_slot) == (1, 0)


def test_what_is_halted_is_said_before_all_else(fleet: Rig) -> None:
    page = read(fleet, "app/1.1")
    fleet.state.online.halt([page.release.digest], NOW)

    assert read(fleet, "app/1.1").standing == "halted"


def test_flags_and_advisories_stand_against_it(fleet: Rig) -> None:
    fleet.state.feedback.flag_release("app/1.0", "green", "anna", "operator", NOW)

    with fleet.db.read() as session:
        lines = releases.lines(session, fleet.state.online, "app")
    assert [line.against for line in lines] == [0, 1]
    assert [flag.reason for flag in read(fleet, "app/1.0").flags] == ["green"]


def test_the_signatures_are_those_of_its_components_role(fleet: Rig) -> None:
    signed = read(fleet, "app/1.1").signed

    assert signed is not None
    assert (signed.role, signed.threshold) == ("rel-app", 1)


def test_a_release_of_nobody_is_not_found(rig: Rig) -> None:
    with pytest.raises(NotFound):
        read(rig, "app/9")
