"""What needs a person: each reason once, with where to go."""

from __future__ import annotations

from datetime import timedelta

from surefoot_server.console.concerns import Concern, Warned, of
from surefoot_server.findings import service as findings
from surefoot_server.languages.catalogue import language
from surefoot_server.rollouts.models import Rollout
from surefoot_server.rollouts.triggers import Do
from surefoot_shared.messages import EventKind
from surefoot_shared.status import AttemptState, Outcome
from tests.server.findings.bills import OPENSSL, REQUESTS, importer, record, with_bill
from tests.server.rig import NOW, Rig, event
from tests.server.rollouts.fleet import Fleet

EN, VI = language("en"), language("vi")
NOTHING = Warned()


def concerns(rig: Rig, after_s: float = 0.0, warned: Warned = NOTHING) -> list[Concern]:
    with rig.db.read() as session:
        return of(session, EN, warned, NOW + timedelta(seconds=after_s))


def test_a_healthy_fleet_needs_nobody(rig: Rig) -> None:
    Fleet(rig)

    assert concerns(rig) == []


def test_one_device_that_asks_is_named_and_many_are_counted(rig: Rig) -> None:
    Fleet(rig)
    rig.events("cam-01", event("cam-01", 1, EventKind.SECURITY, reason="metadata_untrusted", message="Wrong."))

    (one,) = concerns(rig)
    rig.events("cam-02", event("cam-02", 1, EventKind.SECURITY, reason="metadata_untrusted", message="Wrong."))
    (two,) = concerns(rig)

    assert one == Concern("security", "cam-01: Wrong.", "/devices/cam-01", "cam-01")
    assert two == Concern("security", "2 devices ask for a person", "/devices?standing=attention")


def test_signatures_that_expire_and_a_rollout_that_waits_need_a_person(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start()
    fleet.service.pause(rollout_id, "alice", fleet.now, "lunch")

    found = concerns(rig, warned=Warned(("The root expires.",)))

    assert [c.word for c in found] == ["held", "paused"]
    assert found[1].text == "app/1.1 → all: pause by alice: lunch"
    assert found[1].path == f"/rollouts/{rollout_id}"


def test_a_rollout_that_failed_is_named_for_some_days(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start()
    with rig.db.write() as session:
        row = session.get(Rollout, rollout_id)
        assert row is not None
        row.state, row.reason, row.ended_at = "failed", "canary failed: nobody is in early", fleet.now
        session.add(row)

    found = [one for one in concerns(rig) if one.word == "failed"]
    with rig.db.read() as session:
        (read,) = [one for one in of(session, VI, NOTHING, NOW) if one.word == "failed"]

    assert found == [
        Concern("failed", "app/1.1 → all: canary failed: nobody is in early", f"/rollouts/{rollout_id}"),
    ]
    assert read.text == "app/1.1 → all: canary không đạt: không ai thuộc early"
    assert [one for one in concerns(rig, after_s=4 * 86_400) if one.word == "failed"] == []


def test_a_held_way_back_needs_a_person_until_somebody_lets_it_go_on(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout = fleet.held_way_back()

    before = [one for one in concerns(fleet.rig) if one.word == "held"]
    fleet.service.resume(rollout, "alice", fleet.now)

    assert [one.path for one in before] == [f"/rollouts/{rollout}"]
    assert "could not go back" in before[0].text
    assert not [one for one in concerns(fleet.rig) if one.word == "held"]


def test_attempts_that_ended_badly_are_one_line_for_each_reason_and_forgotten_after_a_day(rig: Rig) -> None:
    fleet = Fleet(rig)
    for name in fleet.names[:3]:
        rig.assign(name, "app/1.1")
    fleet.end(Outcome.REVERTED, *fleet.names[:3])

    assert [c for c in concerns(rig, 60) if c.word == "reverted"] == [
        Concern("reverted", "3 devices since yesterday, app/1.1: no reason given", "/releases/app/1.1")
    ]
    assert [c for c in concerns(rig, 90_000) if c.word == "reverted"] == []


def test_a_device_that_is_online_and_gets_no_further_is_counted(rig: Rig) -> None:
    fleet = Fleet(rig)
    rig.assign("cam-01", "app/1.1")
    fleet.state("cam-01", AttemptState.DOWNLOADING)

    assert concerns(rig, 60) == []
    assert [c.text for c in concerns(rig, 2000)] == ["1 device is online and has got no further for 30 minutes"]


def test_devices_that_were_silent_for_a_day_are_counted(rig: Rig) -> None:
    Fleet(rig)

    assert [(c.word, c.path) for c in concerns(rig, 100_000)] == [("offline", "/devices?standing=offline")]


def test_what_is_known_of_a_release_that_runs_is_told_with_its_worst_and_leads_to_the_release(rig: Rig) -> None:
    Fleet(rig)
    with_bill(rig, "app/1.0", REQUESTS, OPENSSL)
    importer(rig).take([record(), record("DSA-2", "openssl", "Debian:12", "9", "CRITICAL")], "all.zip", "ann", NOW)
    with rig.db.read() as session:
        known = findings.concerns(session, NOW)

        (one,) = of(session, EN, Warned(known=known), NOW)
        (same,) = of(session, VI, Warned(known=known), NOW)

    said = "12 devices run app/1.0: DSA-2 (openssl 3.0.11-1~deb12u1) and others are known, 2 together"
    assert one == Concern("critical", said, "/releases/app/1.0")
    assert same.text.startswith("12 thiết bị chạy app/1.0: đã biết DSA-2")


def test_a_release_that_was_advised_against_needs_a_person_while_devices_run_it(rig: Rig) -> None:
    Fleet(rig)
    rig.state.feedback.advise("app/1.1", Do.HALT, "nobody runs it", "", "anna", NOW)
    rig.state.feedback.advise("app/1.0", Do.HALT, "leaks memory", "", "anna", NOW)

    assert concerns(rig) == [Concern("halted", "12 devices run app/1.0: leaks memory", "/releases/app/1.0")]

    rig.state.feedback.withdraw_advisory(2, "anna", NOW)
    assert concerns(rig) == []
