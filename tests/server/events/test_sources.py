"""What happens to rollouts, devices and flags is told in the words of the rows that say so."""

from __future__ import annotations

from surefoot_server.db import utc_now
from surefoot_server.events.feed import Filter
from surefoot_server.events.models import FeedEvent, Happening
from surefoot_server.events.sources import told_by
from surefoot_server.rollouts.models import RolloutMember
from surefoot_shared.messages import EventKind
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, Rig, event
from tests.server.rollouts.fleet import Fleet


def told(rig: Rig, *kinds: Happening) -> list[FeedEvent]:
    return rig.state.streams.feed.after(0, Filter(kinds=kinds))


def test_a_rollouts_states_are_told_from_its_first(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.service.pause(rollout, "alice", fleet.now, "lunch")

    found = told(fleet.rig, Happening.ROLLOUT)

    assert [(row.subject, row.detail.get("was"), row.detail["state"]) for row in found] == [
        ("rollout:r1", None, "draft"),
        ("rollout:r1", "draft", "running"),
        ("rollout:r1", "running", "paused"),
    ]
    assert found[-1].detail["reason"].endswith("lunch")
    assert {row.rollout_id for row in found} == {"r1"}


def test_phases_and_their_verdicts_are_told(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.tick()
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.tick(1)
    fleet.tick(120)

    phases = [(row.detail["name"], row.detail["was"], row.detail["state"]) for row in told(fleet.rig, Happening.PHASE)]
    verdicts = [(row.detail["name"], row.detail["verdict"]) for row in told(fleet.rig, Happening.VERDICT)]

    assert phases[:3] == [
        ("canary", "pending", "offering"),
        ("canary", "offering", "baking"),
        ("canary", "baking", "passed"),
    ]
    assert verdicts[-1] == ("canary", "pass")


def test_each_decision_is_told_with_its_device_and_reason(fleet: Fleet) -> None:
    fleet.start()
    fleet.tick()

    offers = [row for row in told(fleet.rig, Happening.DECISION) if row.detail["action"] == "rollout.offer"]

    assert {row.device_id for row in offers} == fleet.wished()
    assert all(row.detail["reason"] and row.actor == "engine" and row.rollout_id == "r1" for row in offers)


def test_an_outcome_is_told_once_with_who_said_it(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.tick()
    name = fleet.in_phase(rollout, 0)[0]
    fleet.end(Outcome.REVERTED, name)
    fleet.tick(1)

    (found,) = [row for row in told(fleet.rig, Happening.OUTCOME) if row.device_id == name]

    assert (found.device_id, found.rollout_id, found.actor) == (name, rollout, f"device:{name}")
    assert (found.detail["outcome"], found.detail["release"]) == ("reverted", "app/1.1")


def test_a_device_that_needs_a_person_raises_an_alarm_once(rig: Rig) -> None:
    rig.device("cam-1")
    refusal = {"reason": "metadata_untrusted", "message": "not signed"}
    rig.events("cam-1", event("cam-1", 1, EventKind.SECURITY, **refusal))
    rig.events("cam-1", event("cam-1", 2, EventKind.SECURITY, **refusal))

    (found,) = told(rig, Happening.ALARM)

    assert (found.subject, found.device_id) == ("device:cam-1", "cam-1")
    assert found.detail == {"alarm": "security", "reason": "metadata_untrusted", "message": "not signed"}


def test_a_held_way_back_is_told_once_to_who_follows_rollouts_and_to_who_wants_alarms(fleet: Fleet) -> None:
    rollout = fleet.held_way_back()
    fleet.tick(60)

    held = [row for row in told(fleet.rig, Happening.ROLLOUT) if row.detail.get("held")]
    (alarm,) = told(fleet.rig, Happening.ALARM)

    assert [(row.rollout_id, row.detail["state"]) for row in held] == [(rollout, "reverting")]
    assert (alarm.rollout_id, alarm.detail["action"]) == (rollout, "rollout.hold_back")
    assert "the tripwire is 1" in held[0].detail["reason"]
    assert "the tripwire is 1" in alarm.detail["reason"]


def test_a_way_back_that_goes_on_and_is_held_again_is_told_again(fleet: Fleet) -> None:
    rollout = fleet.held_way_back()
    fleet.service.resume(rollout, "alice", fleet.now)
    fleet.tick(1)
    fleet.end(Outcome.FAILED, *fleet.wished("app/1.0"))
    fleet.tick(1)

    assert len(told(fleet.rig, Happening.ALARM)) == 2


def test_flags_are_told_when_raised_and_withdrawn(fleet: Fleet) -> None:
    rig = fleet.rig
    (flag,) = rig.state.feedback.flag_device("cam-01", "dark", "bob", "operator", utc_now())
    rig.state.feedback.withdraw_flag(flag.id or 0, "bob", utc_now())

    found = told(rig, Happening.FLAG)

    assert [row.detail["action"] for row in found] == ["flag.raise", "flag.withdraw"]
    assert (found[0].device_id, found[0].actor) == ("cam-01", "bob")


def test_every_other_act_is_told_as_an_act(rig: Rig) -> None:
    rig.device("cam-1")

    assert {row.detail["action"] for row in told(rig, Happening.AUDIT)} == {"device.enrol"}


def test_a_row_that_is_no_news_tells_nothing() -> None:
    member = RolloutMember(rollout_id="r1", device_id="cam-1", standing="member", hw="rpi5", reason="")

    assert list(told_by(member, NOW)) == []
