from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.trial import Fallback, Trial, TrialFile, Verdict, guard_command
from surefoot_shared.errors import InstallFailed

TRUE = "/bin/true"
TRIAL = Trial(
    assignment="a-1",
    attempt=1,
    component="app",
    slot="B",
    previous="A",
    armed_boot_id="boot-1",
    budget_s=60.0,
    deadline_monotonic=100.0,
    deadline_boot_id="boot-1",
    max_starts=3,
    fallback=Fallback("A", ("/a/run",), "/a", {"PATH": "/bin"}, "/log"),
)


@pytest.fixture
def trials(tmp_path: Path) -> TrialFile:
    return TrialFile(tmp_path)


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        ({"back": (("fw_setenv", "-s", "x"),)}, "could not run 'fw_setenv'"),
        ({"back": (("/nowhere/fw_setenv",),)}, "could not run '/nowhere/fw_setenv'"),
        ({"restart": ((),)}, "could not run 'nothing'"),
        ({"restart": ()}, "no way to restart"),
    ],
)
def test_a_way_back_that_the_guard_could_not_walk_is_refused_when_it_is_armed(
    tmp_path: Path, commands: dict[str, tuple[tuple[str, ...], ...]], words: str
) -> None:
    whole = replace(TRIAL, machine=True, back=((TRUE, "A"),), restart=((TRUE,),))
    file = TrialFile(tmp_path)

    with pytest.raises(InstallFailed, match=words):
        file.arm(replace(whole, **commands))

    assert file.read() is None
    assert file.arm(whole) == whole


def test_a_command_that_others_can_change_is_not_given_to_the_guard(tmp_path: Path) -> None:
    script = tmp_path / "restart"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)

    with pytest.raises(InstallFailed, match="can be changed by others"):
        TrialFile(tmp_path).arm(replace(TRIAL, machine=True, restart=((str(script),),)))


def test_what_is_armed_is_read_back_whole(trials: TrialFile) -> None:
    trials.arm(TRIAL)

    assert trials.read() == TRIAL
    assert trials.of("a-1", 1) == TRIAL
    assert trials.of("a-1", 2) is None


def test_arming_the_same_attempt_again_extends_nothing(trials: TrialFile) -> None:
    trials.arm(TRIAL)

    assert trials.arm(replace(TRIAL, deadline_monotonic=500.0)) == TRIAL


def test_arming_again_after_a_restart_of_the_machine_counts_as_one_start_more(trials: TrialFile) -> None:
    trials.arm(TRIAL)

    armed = trials.arm(replace(TRIAL, deadline_boot_id="boot-2", deadline_monotonic=5.0))

    assert (armed.starts, armed.deadline_monotonic) == (2, 5.0)


def test_another_attempt_replaces_a_trial_that_has_ended(trials: TrialFile) -> None:
    trials.arm(TRIAL)
    trials.decide("a-1", 1, Verdict.UNHEALTHY, "health_failed")

    assert trials.arm(replace(TRIAL, attempt=2)).verdict is None


@pytest.mark.parametrize("first", list(Verdict))
@pytest.mark.parametrize("second", list(Verdict))
def test_the_first_verdict_stands(trials: TrialFile, first: Verdict, second: Verdict) -> None:
    trials.arm(TRIAL)
    trials.decide("a-1", 1, first, "one")

    decided = trials.decide("a-1", 1, second, "two")

    assert decided is not None
    assert (decided.verdict, decided.reason) == (first, "one")


def test_a_verdict_on_a_trial_that_is_not_ours_is_not_written(trials: TrialFile) -> None:
    trials.arm(TRIAL)

    assert trials.decide("a-2", 1, Verdict.HEALTHY) is None
    assert trials.read() == TRIAL


def test_a_verdict_is_never_armed_over(trials: TrialFile) -> None:
    trials.arm(TRIAL)
    trials.decide("a-1", 1, Verdict.GUARD, "no_verdict")

    assert trials.arm(TRIAL).verdict is Verdict.GUARD


def test_what_the_agent_writes_the_guard_reads(trials: TrialFile, tmp_path: Path) -> None:
    trials.arm(TRIAL)

    stored = guard.load_record(tmp_path, "trial")

    assert stored is not None
    assert guard.must_act(stored, 101.0)
    assert not guard.must_act(stored, 99.0)


def test_a_finished_way_back_leaves_the_guard_nothing_to_do(trials: TrialFile, tmp_path: Path) -> None:
    trials.arm(TRIAL)
    trials.decide("a-1", 1, Verdict.UNHEALTHY)
    trials.finish("a-1", 1)

    stored = guard.load_record(tmp_path, "trial")

    assert stored is not None
    assert not guard.must_act(stored, 1e9)


def test_a_record_of_a_version_to_come_is_left_to_the_guard(trials: TrialFile, tmp_path: Path) -> None:
    trials.arm(TRIAL)
    stored = guard.load_record(tmp_path, "trial")
    assert stored is not None
    guard.save_record(tmp_path, "trial", {**stored, "v": 2})

    assert trials.read() is None


@pytest.mark.slow
def test_the_command_runs_the_guard_without_anything_installed(tmp_path: Path) -> None:
    command = guard_command(tmp_path)

    assert command[:2] == [sys.executable, "-I"]
    assert subprocess.run([*command, "--once"], env={}, cwd="/", timeout=30).returncode == 0


# --- trials of a set --------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> tuple[TrialFile, TrialFile]:
    """Both members of a set, armed."""
    model, app = TrialFile(tmp_path / "model"), TrialFile(tmp_path / "app")
    model.arm(replace(TRIAL, component="model", set="set-1"))
    app.arm(replace(TRIAL, set="set-1"))
    return model, app


@pytest.mark.parametrize("first", Verdict)
@pytest.mark.parametrize("second", Verdict)
def test_the_first_verdict_of_any_member_is_that_of_all(
    pair: tuple[TrialFile, TrialFile], first: Verdict, second: Verdict
) -> None:
    model, app = pair

    model.decide("a-1", 1, first, "because")
    held = app.decide("a-1", 1, second)

    assert held is not None
    assert (held.verdict, held.reason) == (first, "because")
    assert [each.verdict for each in map(TrialFile.read, pair) if each] == [first, first]


def test_a_member_sees_the_verdict_of_its_set_before_it_wrote_one_itself(
    pair: tuple[TrialFile, TrialFile], tmp_path: Path
) -> None:
    pair[0].decide("a-1", 1, Verdict.GUARD, "no_verdict")

    seen = guard.load_trial(tmp_path / "app")

    assert seen is not None
    assert guard.must_act(seen, 0.0)


def test_the_verdict_of_one_set_is_nothing_to_the_next(pair: tuple[TrialFile, TrialFile]) -> None:
    model, app = pair
    model.decide("a-1", 1, Verdict.UNHEALTHY)
    app.decide("a-1", 1, Verdict.UNHEALTHY)

    model.arm(replace(TRIAL, component="model", assignment="a-2", set="set-2"))

    assert [each.verdict for each in map(TrialFile.read, pair) if each] == [None, Verdict.UNHEALTHY]


def test_a_member_armed_after_the_verdict_of_its_set_gets_it(pair: tuple[TrialFile, TrialFile], tmp_path: Path) -> None:
    pair[0].decide("a-1", 1, Verdict.UNHEALTHY)

    late = TrialFile(tmp_path / "late").arm(replace(TRIAL, component="late", set="set-1"))

    assert late.verdict is Verdict.UNHEALTHY


def test_a_torn_verdict_of_a_set_is_none(pair: tuple[TrialFile, TrialFile], tmp_path: Path) -> None:
    pair[0].decide("a-1", 1, Verdict.HEALTHY)
    newest = tmp_path / guard.JOINT / "trial.1"
    newest.write_bytes(newest.read_bytes()[:-3])

    seen = pair[1].read()

    assert seen is not None
    assert seen.verdict is None


def test_the_guard_does_not_go_back_from_a_set_that_was_committed(
    pair: tuple[TrialFile, TrialFile], tmp_path: Path
) -> None:
    before = guard.load_trial(tmp_path / "app")  # what it had read a moment before
    pair[0].decide("a-1", 1, Verdict.HEALTHY)
    assert before is not None

    assert not guard.go_back(tmp_path / "app", before)

    assert guard.current_slot(tmp_path / "app") is None  # nothing was touched
    assert not guard.look(tmp_path / "app")


def test_the_guard_speaks_for_the_whole_set(pair: tuple[TrialFile, TrialFile], tmp_path: Path) -> None:
    trial = guard.load_trial(tmp_path / "app")
    assert trial is not None

    assert guard.go_back(tmp_path / "app", {**trial, "fallback": None})

    other = pair[0].read()
    assert other is not None
    assert (other.verdict, other.reason) == (Verdict.GUARD, "no_verdict")
