"""What a person may do to a rollout: what the table allows, with the count of devices in each confirmation."""

from __future__ import annotations

from surefoot_server.console import acts
from surefoot_server.languages.catalogue import language
from surefoot_server.rollouts import repository, views
from surefoot_server.rollouts.table import ACTS
from surefoot_shared.status import Outcome
from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet

EN = language("en")


def offered(fleet: Fleet, rollout_id: str) -> dict[str, acts.Act]:
    with fleet.rig.db.read() as session:
        out = views.rollout_out(session, repository.rollout(session, rollout_id), fleet.now)
        back = fleet.service.revert_forecast(session, rollout_id)
    return {a.verb: a for a in acts.of(EN, out, back.sentence(), len(back.held) + len(back.fetching))}


def test_every_act_of_the_table_has_a_place() -> None:
    assert set(acts.ORDER) == {act.value for act in ACTS}


def test_only_what_the_table_allows_now_is_offered_and_what_stops_stands_last(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start()

    assert list(offered(fleet, rollout_id)) == ["pause", "halt", "revert", "cancel"]


def test_each_confirmation_names_its_devices(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start()
    first, second, third = fleet.in_phase(rollout_id, 0)
    fleet.commit(first)
    fleet.end(Outcome.FAILED, second)

    found = offered(fleet, rollout_id)

    assert found["pause"].button == "Pause 9 devices"
    assert found["pause"].sentence == "9 devices are offered nothing for now; 1 at work finish."
    assert found["halt"].button == "Halt 10 devices"
    assert found["retry"].button == "Retry 1 device"
    assert found["revert"].button == "Revert 1 device"
    assert found["revert"].sentence.startswith("The release is taken back: 1 return without a download")
    assert found["cancel"].sentence == "It stops for good: 9 devices are offered nothing, 1 keep the release."
    assert (found["halt"].tone, found["pause"].tone) == ("bad", "")
    assert fleet.wish(third).open


def test_a_paused_rollout_is_resumed_and_an_approval_is_given_or_refused(rig: Rig) -> None:
    fleet = Fleet(rig)
    paused = fleet.start()
    fleet.service.pause(paused, "alice", fleet.now)
    assert "9 devices get it as phases pass" in offered(fleet, paused)["resume"].sentence

    fleet.service.cancel(paused, "alice", fleet.now)
    asked = fleet.start("app/1.2", policy="rollout: {approval: {by: operator, count: 1}}")

    found = offered(fleet, asked)
    assert found["approve"].button == "Approve for 12 devices"
    assert found["reject"].name == "Reject"
