"""Times in which the engine could not watch: gaps between its looks, kept for a while, and left out of timers."""

from __future__ import annotations

from datetime import timedelta

from surefoot_server.rollouts import outages
from tests.server.rig import NOW, Rig, later


def test_a_long_gap_between_two_looks_is_an_outage_and_a_short_one_is_not(rig: Rig) -> None:
    with rig.db.write() as session:
        assert outages.mark_look(session, NOW) == 0
        assert outages.mark_look(session, later(29)) == 0
        assert outages.mark_look(session, later(29 + 3600)) == 3600
        spans = outages.read(session, later(4000)).spans

    assert spans == ((later(29), later(29 + 3600)),)


def test_outages_of_long_ago_are_not_read(rig: Rig) -> None:
    with rig.db.write() as session:
        outages.mark_look(session, NOW)
        outages.mark_look(session, later(3600))

        assert outages.read(session, NOW + timedelta(days=90)).spans == ()


def test_the_look_is_remembered_across_restarts(rig: Rig) -> None:
    with rig.db.write() as session:
        outages.mark_look(session, NOW)
    with rig.db.read() as session:
        assert outages.last_look(session) == NOW
