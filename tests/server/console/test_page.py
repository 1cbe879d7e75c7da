"""The page's words and numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from surefoot_server.console import page
from surefoot_server.console.page import PhaseView, RolloutView, ago, sentence, tone
from surefoot_server.devices import repository
from surefoot_server.devices.models import Assignment
from surefoot_server.rollouts.models import Rollout, RolloutMember, RolloutPhase
from surefoot_shared.status import AttemptState, Intent, Outcome, RolloutState
from tests.server.rig import NOW, Rig, hello, later, outcome, progress, runs


def phase(**more: object) -> PhaseView:
    fields: dict[str, object] = {
        "name": "early",
        "selector": "10%",
        "state": "offering",
        "verdict": "",
        "reason": "",
        "members": 40,
        "done": 5,
        "bad": 0,
        "busy": 3,
        "outcomes": (),
    }
    return PhaseView(**{**fields, **more})  # type: ignore[arg-type]


def rollout(state: str = "running", *phases: PhaseView) -> RolloutView:
    return RolloutView("r1", "app/2.4.1", "all", state, "", phases)


@pytest.mark.parametrize(
    ("running", "total", "rollouts", "said"),
    [
        ({}, 0, [], "No device is enrolled yet; make a token with surefoot enrol-token create."),
        ({}, 3, [], "None of 3 devices has reported a known release."),
        ({"app/2.4.0": 1961, "app/2.3": 20}, 2000, [], "1,961 of 2,000 devices run app/2.4.0."),
        (
            {"app/2.4.0": 1961},
            2000,
            [rollout("paused", phase(state="passed"), phase(bad=3))],
            "1,961 of 2,000 devices run app/2.4.0; app/2.4.1 is paused: 3 of 40 did not keep it in early.",
        ),
        (
            {"app/2.4.0": 10},
            12,
            [rollout("running", phase(state="baking"))],
            "10 of 12 devices run app/2.4.0; app/2.4.1 is rolling out: 5 of 40 committed in early, which is baking.",
        ),
        (
            {"app/2.4.1": 12},
            12,
            [rollout("succeeded", phase(state="passed"))],
            "12 of 12 devices run app/2.4.1; the rollout of app/2.4.1 succeeded.",
        ),
    ],
)
def test_the_fleet_is_one_sentence(running: dict[str, int], total: int, rollouts: list[RolloutView], said: str) -> None:
    assert sentence(running, total, rollouts) == said


def test_the_bar_shows_every_member_once() -> None:
    parts = phase(members=40, done=10, bad=2, busy=8).bar()

    assert parts == [("good", 0.0, 25.0), ("bad", 25.0, 5.0), ("work", 30.0, 20.0), ("calm", 50.0, 50.0)]
    assert phase(members=0, done=0, busy=0).bar() == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")]
)
def test_times_are_said_as_a_person_would(seconds: float, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text
    assert ago(None, NOW) == "never"


def test_every_outcome_and_end_has_a_tone_and_work_is_the_rest() -> None:
    assert {tone(o.value) for o in Outcome} == {"good", "bad", "calm"}
    assert tone("downloading") == "work"


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.release("app/1.0")
    rig.release("app/1.1")
    for n in range(4):
        rig.device(f"cam-{n}")
        with rig.db.write() as session:
            rig.devices.hello(session, hello(f"cam-{n}", components=(runs("app/1.0"),)), NOW)
    with rig.db.write() as session:
        session.add(
            Rollout(
                id="r1",
                number=1,
                release_id="app/1.1",
                component="app",
                digest="d",
                cohort="all",
                expression="",
                policy="",
                salt="s",
                state=RolloutState.RUNNING.value,
                created_at=NOW,
                created_by="first",
            )
        )
        session.flush()
        session.add(
            RolloutPhase(rollout_id="r1", index=0, name="canary", selector="75%", bake_s=1, members=3, state="offering")
        )
        for n in range(2):
            row = rig.devices.assign(session, f"cam-{n}", "app", "app/1.1", Intent.UPDATE, "r1", 0, NOW)
            session.add(
                RolloutMember(
                    rollout_id="r1",
                    device_id=f"cam-{n}",
                    standing="member",
                    phase=0,
                    hw="rpi5",
                    reason="",
                    assignment_id=row.id,
                )
            )
    return rig


def read(rig: Rig, query: str = "") -> page.Page:
    with rig.db.read() as session:
        return page.read(session, query, later(90))


def assignment_of(rig: Rig, device: str) -> Assignment:
    with rig.db.read() as session:
        return repository.history(session, device)[0]


def test_the_ladder_counts_attempts_by_outcome(fleet: Rig) -> None:
    fleet.events("cam-0", outcome(assignment_of(fleet, "cam-0"), 1, Outcome.REVERTED, reason="health_failed"))
    fleet.events("cam-1", progress(assignment_of(fleet, "cam-1"), 1, AttemptState.PROBATION))

    ladder = read(fleet).rollouts[0].phases[0]

    assert (ladder.done, ladder.bad, ladder.busy, ladder.waiting) == (0, 1, 1, 1)
    assert ladder.outcomes == (("reverted", 1),)


def test_the_table_says_what_runs_and_what_is_wanted(fleet: Rig) -> None:
    rows = {row.id: row for row in read(fleet).rows}

    assert (rows["cam-0"].runs, rows["cam-0"].wanted, rows["cam-0"].state) == ("app/1.0", "app/1.1", "offered")
    assert (rows["cam-3"].wanted, rows["cam-3"].state, rows["cam-3"].last_seen) == ("", "idle", "1 min ago")


def test_a_search_narrows_the_table_and_not_the_sentence(fleet: Rig) -> None:
    found = read(fleet, "cam-2")

    assert [row.id for row in found.rows] == ["cam-2"]
    assert found.sentence.startswith("4 of 4 devices run app/1.0; app/1.1 is rolling out")


def test_outcomes_come_with_their_reason(fleet: Rig) -> None:
    row = assignment_of(fleet, "cam-0")
    fleet.events("cam-0", outcome(row, 1, Outcome.REVERTED, reason="health_failed", message="frozen frames"))

    shown = read(fleet).outcomes[0]

    assert (shown.device, shown.outcome, shown.reason, shown.message) == (
        "cam-0",
        "reverted",
        "health_failed",
        "frozen frames",
    )


def test_what_needs_a_person_is_listed(fleet: Rig) -> None:
    for seq, instance in ((2, "b"), (3, "i1")):
        with fleet.db.write() as session:
            fleet.devices.hello(session, hello("cam-3", seq, instance=instance), NOW)

    assert [(device, kind) for device, kind, _ in read(fleet).attention] == [("cam-3", "identity_conflict")]
