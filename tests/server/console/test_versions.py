"""Versions over time, read back from commits."""

from __future__ import annotations

from datetime import timedelta

from surefoot_server.console import versions
from surefoot_server.devices.models import Device
from tests.server.rig import NOW, Rig, later
from tests.server.rollouts.fleet import Fleet

DAY = 86_400.0


def updated(rig: Rig) -> Fleet:
    """Twelve devices on app/1.0; three of them committed app/1.1 six days later."""
    fleet = Fleet(rig)
    fleet.at = 6 * DAY
    for name in fleet.names[:3]:
        rig.assign(name, "app/1.1")
        fleet.commit(name)
    fleet.hellos("app/1.1", *fleet.names[:3])
    return fleet


def test_an_earlier_moment_is_today_without_the_commits_since(rig: Rig) -> None:
    updated(rig)

    with rig.db.read() as session:
        found = versions.read(session, later(7 * DAY + 60))

    assert found is not None
    assert [(a.release, a.counts[1], a.now) for a in found.areas] == [("app/1.0", 12, 9), ("app/1.1", 0, 3)]
    assert (found.component, found.top) == ("app", 12)


def test_a_device_counts_from_its_enrolment_on(rig: Rig) -> None:
    fleet = updated(rig)
    with rig.db.write() as session:
        late = session.get(Device, fleet.names[0])
        assert late is not None
        late.enrolled_at = NOW + timedelta(days=3)
        session.add(late)

    with rig.db.read() as session:
        found = versions.read(session, later(7 * DAY + 60))

    assert found is not None
    assert found.areas[0].counts[1] == 11
    assert found.areas[0].counts[-12] == 12


def test_the_stack_has_no_gaps_and_each_release_its_steps(rig: Rig) -> None:
    updated(rig)

    with rig.db.read() as session:
        found = versions.read(session, later(7 * DAY + 60))

    assert found is not None
    low, high = found.areas
    assert high.below == low.counts
    assert len(found.points(low).split()) == 4 * len(found.moments)
    assert found.points(low).startswith("0,0 ")


def test_what_nobody_reports_is_not_drawn(rig: Rig) -> None:
    rig.device("cam-1")

    with rig.db.read() as session:
        assert versions.read(session, NOW) is None
        assert versions.components(session) == []


def test_a_component_is_chosen_by_name_or_by_its_devices(rig: Rig) -> None:
    Fleet(rig)

    with rig.db.read() as session:
        chosen = [versions.read(session, NOW, name) for name in ("", "app", "nothing")]
        assert versions.components(session) == ["app"]

    assert {found.component for found in chosen if found} == {"app"}


def test_releases_beyond_the_named_ones_are_one_area() -> None:
    at = [versions.Counter({f"app/1.{n}": 10 + n for n in range(9)})]

    areas = versions._areas(at)

    assert [a.release for a in areas] == [versions.OTHERS, *(f"app/1.{n}" for n in range(4, 9))]
    assert areas[0].counts == (10 + 11 + 12 + 13,)
