"""A rollout in words: the API's own, with what to do next."""

from __future__ import annotations

from dataclasses import replace

from surefoot_server.cli.picture import following, holding_up, plan_text, sentence, tree
from surefoot_server.cli.shown import Member, Phase, Placed, Plan, PlannedPhase, Rollout

CANARY = Phase("canary", "25%", "passed", 3, 3, 0, 0, 0, {"committed": 3}, 60, None, "pass", "3 of 3 due devices")
HALF = Phase("half", "50%", "baking", 3, 3, 0, 0, 1, {"committed": 2, "reverted": 1}, 3600, 600, None, "")
ALL = Phase("all", "100%", "pending", 6, 0, 0, 6, 0, {}, 0, None, None, "")
ROLLOUT = Rollout(
    id="r1",
    release="app/1.1",
    cohort="all",
    state="running",
    ended=False,
    reason="",
    phase=1,
    members=12,
    satisfied=1,
    excluded=2,
    outcomes={"committed": 5, "reverted": 1},
    waiting=6,
    taken_back=0,
    halted=False,
    created_at="2026-03-01T12:00:00Z",
    created_by="alice",
    acts=("pause", "halt", "revert", "cancel"),
    phases=(CANARY, HALF, ALL),
)


def test_the_tree_shows_facts_then_phases() -> None:
    assert tree(ROLLOUT) == [
        "Rollout  r1, by alice",
        "Release  app/1.1 → all",
        "State    running",
        "Devices  5 of 12 committed, 1 reverted, 6 waiting (1 already ran it, 2 left out)",
        "Next     surefoot rollout pause r1   |   surefoot rollout halt r1",
        "",
        "r1 running",
        "├─  ✔ canary  passed   3 of 3 committed                        pass: 3 of 3 due devices",
        "├─  ◷ half    baking   2 of 3 committed, 1 reverted, 1 asleep  bakes for 10m more",
        "└─  · all     pending  0 of 6 committed                        100%, bakes 0s",
    ]


def test_the_sentence_names_the_open_phase() -> None:
    assert sentence(ROLLOUT).endswith("half baking, 2 of 3 committed, 1 reverted, 1 asleep")


def test_a_stopped_rollout_says_why_in_its_sentence() -> None:
    held = replace(ROLLOUT, state="held", reason="half is held: 1 of 3 devices reverted")

    assert sentence(held).endswith("; half is held: 1 of 3 devices reverted")


def test_what_is_next_is_only_what_is_possible() -> None:
    assert following(replace(ROLLOUT, state="held", acts=("resume",))) == "surefoot rollout resume r1"
    assert following(replace(ROLLOUT, state="reverting", acts=())) == ""
    assert following(replace(ROLLOUT, state="succeeded", ended=True, acts=("revert",))) == "surefoot rollout revert r1"


def test_a_rollout_that_was_taken_back_whole_offers_no_revert() -> None:
    gone = replace(ROLLOUT, state="failed", ended=True, acts=("revert",), taken_back=5)

    assert following(gone) == ""


def test_a_plan_whose_hours_are_closed_says_until_when() -> None:
    phase = PlannedPhase("all", "100%", 60, (Placed("cam-1", "rpi5", "hash"),), {}, 7200, "", "2026-03-02T05:00:00Z")
    plan = Plan("app/1.1", "all", "s", 1, (phase,), (), (), 7200, 200, True, "keep")

    assert "2h of baking and closed hours, to 2026-03-02 05:00 UTC, and what the devices need" in plan_text(plan)


def test_a_plan_shows_an_empty_phase_and_what_stops_each() -> None:
    plan = Plan(
        release="app/1.1",
        cohort="all",
        salt="s",
        total=1,
        phases=(
            PlannedPhase(
                "canary",
                "1%",
                60,
                (Placed("cam-1", "rpi5", "hash"),),
                {"failed": 1, "lost": None},
                60,
                "1 approval by admin",
            ),
            PlannedPhase("all", "100%", 60, (), {"failed": None}),
        ),
        satisfied=(),
        excluded=(Placed("cam-2", "x86", "the release is not made for x86"),),
        at_least_s=60,
        max_concurrent=200,
        on_fail_halt=True,
        on_fail_committed_devices="keep",
    )

    text = plan_text(plan)

    assert [
        "canary",
        "1%,",
        "needs",
        "1",
        "approval",
        "by",
        "admin",
        "1",
        "1",
        "rpi5",
        "60s",
        "60s",
        "1",
        "failed",
    ] in [line.split() for line in text.splitlines()]
    assert "nobody: passed at once" in text
    assert "it is halted everywhere, devices that committed keep it" in text
    assert "cam-2     x86       the release is not made for x86" in text


def test_what_it_waits_for_is_at_most_five_lines() -> None:
    late = [Member(f"cam-{n}", "member", 0, "downloading", None, None, "slow") for n in range(9)]
    ended = Member("cam-done", "member", 0, "committed", "committed", None)
    later = Member("cam-later", "member", 7, None, None, None)

    few = holding_up(ROLLOUT, [*late[:5], ended, later])
    many = holding_up(ROLLOUT, [*late, ended])

    assert [line.split()[0] for line in few[2:]] == [f"cam-{n}" for n in range(5)]
    assert "downloading" in few[2]
    assert "slow" in few[2]
    assert len(many[2:]) == 5
    assert many[-1] == "and 5 devices more"
    assert holding_up(ROLLOUT, [ended, later]) == []
