"""Terms of an assignment as they are stored, and how long a device may fetch."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

from surefoot_server.devices.models import Assignment
from surefoot_server.devices.terms import Terms, download_left_s, texts
from surefoot_server.releases.leases import LeaseTokens
from surefoot_server.rollouts.windows import intervals, parse_window
from surefoot_shared.status import AttemptState, Intent
from tests.server.rig import NOW, Rig, later


def given(rig: Rig, terms: Terms) -> Assignment:
    rig.device("cam-1")
    rig.release("app/1.0")
    with rig.db.write() as session:
        return rig.devices.assign(session, "cam-1", "app", "app/1.0", Intent.UPDATE, None, None, NOW, terms)


def test_any_time_is_stored_as_nothing() -> None:
    assert texts(()) is None
    assert texts(((NOW, later(60)),)) == [["2026-03-01T12:00:00+00:00", "2026-03-01T12:01:00+00:00"]]


def test_the_order_to_switch_and_later_windows_come_under_a_higher_number(rig: Rig) -> None:
    first = given(rig, Terms(activate=False))
    windows = ((NOW, later(3600)),)

    with rig.db.write() as session:
        rig.devices.renew(session, first.id, Terms(activate=True, windows=windows))
    second = rig.read(first)

    assert not first.activate
    assert second.activate
    assert second.seq > first.seq
    assert second.windows == texts(windows)
    assert rig.dirty == ["cam-1", "cam-1", "cam-1"]


def test_what_has_ended_is_not_renewed(rig: Rig) -> None:
    first = given(rig, Terms(activate=False))
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "alice", NOW)
        rig.devices.renew(session, first.id, Terms())

    assert rig.read(first).seq == first.seq


def test_no_lease_is_given_while_the_window_to_download_is_closed_and_none_lasts_beyond_it(rig: Rig) -> None:
    given(rig, Terms(download_windows=((later(600), later(900)),)))

    with rig.db.read() as session:
        closed, ending = (rig.devices.lease_for(session, "cam-1", later(at)) for at in (0, 700))

    assert closed is None
    assert ending is not None
    assert ending.valid_s == 200.0


def test_without_a_window_a_device_may_fetch_for_ever(rig: Rig) -> None:
    row = given(rig, Terms())

    assert download_left_s(row, NOW + timedelta(days=999)) == math.inf
    assert AttemptState(row.state) is AttemptState.OFFERED
    assert LeaseTokens(b"k" * 32).valid_s > 0


def test_a_night_in_which_the_clocks_change_is_open_until_its_own_hour() -> None:
    """23:00 to 04:00 in Berlin, an hour longer when winter begins; whoever was away asks anew."""
    evening = datetime(2026, 10, 24, 20, 0, tzinfo=timezone.utc)
    windows = intervals(parse_window("site-local 23:00-04:00"), (), "Europe/Berlin", evening)
    row = Assignment(download_windows=texts(windows))

    left = [download_left_s(row, evening + timedelta(minutes=minutes)) for minutes in (30, 90, 240, 419, 421, 24 * 60)]

    assert left == [0.0, 330 * 60, 180 * 60, 60.0, 0.0, 0.0]
    assert download_left_s(row, evening + timedelta(hours=26, minutes=30)) == 4.5 * 3600
