"""How the fleet stands: one sentence, and the rollouts that matter."""

from __future__ import annotations

import pytest

from surefoot_server.console import fleet as fleets
from surefoot_server.console.concerns import Warned
from surefoot_server.console.fleet import Standing, sentence
from surefoot_server.console.ladder import Rung
from surefoot_server.languages.catalogue import language
from tests.server.rig import NOW, Rig
from tests.server.rollouts.fleet import Fleet

EN, VI = language("en"), language("vi")


def rung(state: str = "offering", **more: object) -> Rung:
    fields: dict[str, object] = {"members": 40, "busy": 3, "outcomes": {"committed": 5}, "needed": 36, "trips": {}}
    return Rung(0, "early", "10%", state, "", "", **{**fields, **more})  # type: ignore[arg-type]


def rollout(state: str = "running", *rungs: Rung) -> Standing:
    return Standing("r1", "app/2.4.1", "all", state, "", NOW, "alice", None, rungs)


def stands(total: int, running: dict[str, int], *rollouts: Standing) -> fleets.Fleet:
    return fleets.Fleet(total, 0, running, rollouts, (), ())


@pytest.mark.parametrize(
    ("fleet", "said"),
    [
        (stands(0, {}), "No device is enrolled yet."),
        (stands(3, {}), "None of 3 devices has reported a known release."),
        (stands(2000, {"app/2.4.0": 1961, "app/2.3": 20}), "1,961 of 2,000 devices run app/2.4.0."),
        (
            stands(2000, {"app/2.4.0": 1961}, rollout("paused", rung("passed"), rung(outcomes={"failed": 3}))),
            "1,961 of 2,000 devices run app/2.4.0; app/2.4.1 is paused: 3 of 40 did not keep it in early.",
        ),
        (
            stands(12, {"app/2.4.0": 10}, rollout("running", rung("baking"))),
            "10 of 12 devices run app/2.4.0; app/2.4.1 is rolling out: 5 of 40 committed in early, which is baking.",
        ),
        (
            stands(12, {"app/2.4.0": 10}, rollout("halted", rung("offering"))),
            "10 of 12 devices run app/2.4.0; app/2.4.1 is halted: 5 of 40 committed in early.",
        ),
        (
            stands(12, {"app/2.4.1": 12}, rollout("succeeded", rung("passed"))),
            "12 of 12 devices run app/2.4.1; the rollout of app/2.4.1 succeeded.",
        ),
    ],
)
def test_the_fleet_is_one_sentence(fleet: fleets.Fleet, said: str) -> None:
    assert sentence(EN, fleet) == said


def test_the_sentence_is_said_in_the_readers_language() -> None:
    found = stands(2000, {"app/2.4.0": 1961}, rollout("failed"))

    assert sentence(VI, found) == "1.961 trên 2.000 thiết bị chạy app/2.4.0; đợt triển khai app/2.4.1 đã thất bại."


def test_a_rollout_as_a_whole_is_the_sum_of_its_phases() -> None:
    whole = rollout("running", rung(), rung(outcomes={"committed": 1, "lost": 2})).whole()

    assert (whole.members, whole.done, whole.bad, whole.busy) == (80, 6, 2, 6)


def test_the_rollouts_that_go_on_are_shown_or_else_the_last(rig: Rig) -> None:
    fleet = Fleet(rig)
    first = fleet.start()
    fleet.service.cancel(first, "alice", fleet.now)
    with rig.db.read() as session:
        assert [r.id for r in fleets.read(session, EN, Warned(), NOW).rollouts] == [first]

    second = fleet.start("app/1.2")

    with rig.db.read() as session:
        assert [r.id for r in fleets.read(session, EN, Warned(), NOW).rollouts] == [second]
