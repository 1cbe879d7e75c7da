"""`surefoot rollout` against a real server: what is shown, asked, done, and the exit code of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.access.roles import Role
from surefoot_shared.status import Outcome
from tests.server.cli.conftest import Operator
from tests.server.rollouts.fleet import Fleet

POLICY = """
phases:
  - {name: canary, percent: 25, bake: 0s}
  - {name: rest, percent: 100, bake: 0s}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


def started(surefoot: Operator, policy: Path, release: str = "app/1.1") -> str:
    said = surefoot("rollout", "start", "--release", release, "--cohort", "all", "--policy", policy, "--yes")
    assert said.code == 0, said.err
    return said.out.strip()


def tick(fleet: Fleet) -> None:
    fleet.service.tick(fleet.now)


def test_a_plan_says_who_when_and_what_stops_it_and_changes_nothing(
    surefoot: Operator, fleet: Fleet, policy: Path
) -> None:
    said = surefoot("rollout", "plan", "--release", "app/1.1", "--cohort", "all", "--policy", policy)

    assert said.code == 0
    assert "1 jetson-orin, 1 rpi5, 1 x86-box" in said.out
    assert "2 failed, 1 reverted, 1 lost" in said.out
    assert surefoot("--json", "rollout", "list").json == []


def test_a_plan_lists_who_is_left_out_and_why(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    first = started(surefoot, policy)

    said = surefoot("rollout", "plan", "--release", "app/1.2", "--cohort", "all", "--policy", policy)

    assert "LEFT OUT" in said.out
    assert f"rollout {first} is still at work on it" in said.out


def test_start_shows_the_plan_asks_and_starts_exactly_that(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    said = surefoot(*("rollout", "start", "--release", "app/1.1", "--cohort", "all", "--policy", policy), answer="y\n")

    assert (said.code, said.out) == (0, "r1\n")
    assert "Start it on 12 devices?" in said.err
    assert "PHASE" in said.err


def test_start_stops_where_the_answer_is_no(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    said = surefoot(*("rollout", "start", "--release", "app/1.1", "--cohort", "all", "--policy", policy), answer="n\n")

    assert said.code == 1
    assert fleet.wished() == set()


def test_start_without_a_person_to_ask_needs_yes(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    said = surefoot("rollout", "start", "--release", "app/1.1", "--cohort", "all", "--policy", policy)

    assert said.code == 2
    assert "--yes" in said.err
    assert fleet.wished() == set()


def test_json_may_stand_before_or_after_the_command(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)

    before = surefoot("--json", "rollout", "status", rollout)
    after = surefoot("rollout", "status", rollout, "--json")

    assert before.json == after.json
    assert isinstance(before.json, dict)
    assert before.json["state"] == "running"


def test_status_shows_the_tree_and_what_to_do_next(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)

    said = surefoot("rollout", "status", rollout)

    assert said.code == 0
    assert "├─  ▶ canary  offering  0 of 3 committed" in said.out
    assert f"surefoot rollout pause {rollout}" in said.out


def test_watching_a_rollout_that_succeeds_exits_with_0(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)
    for index in (0, 1):
        fleet.commit(*fleet.in_phase(rollout, index))
        tick(fleet)

    said = surefoot("rollout", "status", rollout, "-w")

    assert said.code == 0
    assert "12 of 12 committed" in said.out


def test_watching_a_rollout_that_fails_exits_with_6(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    policy.write_text(POLICY + "on_fail: {committed_devices: keep}\n")
    rollout = started(surefoot, policy, "app/1.2")
    fleet.end(Outcome.REVERTED, *fleet.in_phase(rollout, 0))
    tick(fleet)

    said = surefoot("rollout", "status", rollout, "-w")

    assert said.code == 6
    assert "3 of 3 devices reverted" in said.out


def test_watching_exits_with_7_at_the_timeout_and_the_rollout_goes_on(
    surefoot: Operator, fleet: Fleet, policy: Path
) -> None:
    rollout = started(surefoot, policy)

    said = surefoot("rollout", "status", rollout, "-w", "--timeout", "10ms")

    assert said.code == 7
    assert "goes on" in said.err
    assert fleet.rollout(rollout).state == "running"


def test_a_halted_rollout_is_answered_with_6(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)

    said = surefoot("rollout", "halt", rollout, "--committed", "keep", "--reason", "smoke", "--yes")
    watched = surefoot("rollout", "status", rollout, "-w")

    assert said.code == 0
    assert "halted" in said.out
    assert "smoke" in said.out
    assert watched.code == 6
    assert fleet.wished() == set()


def test_a_halt_asks_with_the_count_of_devices(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)
    fleet.commit(fleet.in_phase(rollout, 0)[0])

    said = surefoot("rollout", "halt", rollout, "--committed", "revert", answer="n\n")

    assert said.code == 1
    assert "11 devices without it and take it back from 1 device?" in said.err
    assert fleet.rollout(rollout).state == "running"


def test_a_revert_asks_with_the_count_and_takes_it_back(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)
    canaries = fleet.in_phase(rollout, 0)
    fleet.commit(*canaries)

    said = surefoot("rollout", "revert", rollout, answer="y\n")

    assert said.code == 0
    assert "back from 3 devices?" in said.err
    assert fleet.wished("app/1.0") == set(canaries)


def test_pause_resume_and_cancel_say_the_new_state(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)

    states = [
        surefoot("rollout", "pause", rollout).out,
        surefoot("rollout", "resume", rollout).out,
        surefoot("rollout", "cancel", rollout, "--yes").out,
    ]

    assert ["paused" in states[0], "running" in states[1], "cancelled" in states[2]] == [True, True, True]


def test_an_act_that_the_state_does_not_allow_exits_with_5_and_says_what_is_possible(
    surefoot: Operator, fleet: Fleet, policy: Path
) -> None:
    rollout = started(surefoot, policy)

    said = surefoot("rollout", "resume", rollout)

    assert said.code == 5
    assert "Possible now: pause, halt, revert, retry, cancel." in said.err


@pytest.mark.parametrize("verb", ["status", "pause", "resume", "halt", "revert", "cancel"])
def test_a_rollout_that_does_not_exist_exits_with_3(surefoot: Operator, verb: str) -> None:
    said = surefoot("rollout", verb, "r99")

    assert said.code == 3
    assert "no rollout 'r99'" in said.err


def test_a_viewer_may_plan_and_not_start(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    surefoot.sign_in(Role.VIEWER)

    planned = surefoot("rollout", "plan", "--release", "app/1.1", "--cohort", "all")
    refused = surefoot("rollout", "start", "--release", "app/1.1", "--cohort", "all", "--yes")

    assert planned.code == 0
    assert refused.code == 4
    assert fleet.wished() == set()


def test_a_policy_error_names_line_and_field_and_exits_with_2(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    policy.write_text("gate:\n  max_wait: 6\n")

    said = surefoot("rollout", "plan", "--release", "app/1.1", "--cohort", "all", "--policy", policy)

    assert said.code == 2
    assert "line 2: gate.max_wait" in said.err


def test_a_policy_file_that_is_missing_is_named(surefoot: Operator, tmp_path: Path) -> None:
    said = surefoot("rollout", "plan", "--release", "app/1.1", "--cohort", "all", "--policy", tmp_path / "no.yaml")

    assert said.code == 2
    assert "no.yaml" in said.err


def test_a_release_on_the_halt_list_starts_only_with_lift_halt(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)
    surefoot("rollout", "halt", rollout, "--yes")
    again = ("rollout", "start", "--release", "app/1.1", "--cohort", "all", "--policy", policy, "--yes")

    assert surefoot(*again).code == 5
    assert surefoot(*again, "--lift-halt").code == 0


def test_list_shows_the_newest_first(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    started(surefoot, policy)
    surefoot("rollout", "cancel", "r1", "--yes")
    started(surefoot, policy, "app/1.2")

    said = surefoot("rollout", "list")

    assert [line.split()[0] for line in said.out.splitlines()] == ["ID", "r2", "r1"]


@pytest.mark.parametrize("name", ["", "../../x", "..", "r1/members"])
@pytest.mark.parametrize("verb", ["status", "pause", "halt"])
def test_a_name_that_would_be_a_path_is_a_usage_error(surefoot: Operator, verb: str, name: str) -> None:
    said = surefoot("rollout", verb, name)

    assert said.code == 2
    assert "'ROLLOUT'" in said.err
    assert "proxy" not in said.err


@pytest.mark.parametrize("name", ["r 1", "r1?x=1", "r1#x", "r1%2Fmembers"])
def test_a_strange_name_is_simply_not_found(surefoot: Operator, name: str) -> None:
    said = surefoot("rollout", "status", name)

    assert said.code == 3
    assert name in said.err


def test_a_policy_error_names_the_file(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    policy.write_text("gate:\n  max_wait: 6\n")

    for verb in ("plan", "start"):
        said = surefoot("rollout", verb, "--release", "app/1.1", "--cohort", "all", "--policy", policy)
        assert f"The policy {policy}: line 2: gate.max_wait" in said.err


@pytest.mark.parametrize("content", [b"\xff\xfe", b"gate: {max_wait: 6}", b"a: b: c", b"#" * 65_537])
def test_a_policy_that_cannot_be_read_exits_like_one_that_is_wrong(
    surefoot: Operator, fleet: Fleet, policy: Path, content: bytes
) -> None:
    policy.write_bytes(content)

    said = surefoot("rollout", "plan", "--release", "app/1.1", "--cohort", "all", "--policy", policy)

    assert said.code == 2
    assert str(policy) in said.err


def test_a_plan_for_nobody_says_so_and_exits_as_start_does(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    order = ("--release", "app/1.1", "--cohort", "tag('nowhere')", "--policy", policy)

    plan, start = surefoot("rollout", "plan", *order), surefoot("rollout", "start", *order, "--yes")

    assert (plan.code, start.code) == (5, 5)
    assert "No device belongs to tag('nowhere')." in plan.err
    assert "PHASE" in plan.out


def test_a_plan_in_which_everybody_is_left_out_counts_them(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    started(surefoot, policy)

    said = surefoot("rollout", "plan", "--release", "app/1.2", "--cohort", "all", "--policy", policy)

    assert said.code == 5
    assert "Nobody would get it: 12 devices left out." in said.err


def test_status_lists_the_devices_that_it_waits_for(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)

    said = surefoot("rollout", "status", rollout)

    _, _, waiting = said.out.partition("Waits for\n")
    assert {line.split()[0] for line in waiting.splitlines()} == set(fleet.in_phase(rollout, 0))


def test_an_answer_of_no_says_that_nothing_was_done(surefoot: Operator, fleet: Fleet, policy: Path) -> None:
    rollout = started(surefoot, policy)

    said = surefoot("rollout", "cancel", rollout, answer="n\n")

    assert said.code == 1
    assert said.err.endswith("Nothing was done.\n")


def test_ctrl_c_at_a_question_exits_with_130(
    surefoot: Operator, fleet: Fleet, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = started(surefoot, policy)
    monkeypatch.setattr("click.termui.visible_prompt_func", _interrupt)

    said = surefoot("rollout", "cancel", rollout, answer="")

    assert said.code == 130
    assert "Interrupted." in said.err


def _interrupt(_: str) -> str:
    raise KeyboardInterrupt
