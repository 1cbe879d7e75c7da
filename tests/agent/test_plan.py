from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from surefoot_agent import events as e
from surefoot_agent.plan import Waits, came, halt, plan, turn, wanted
from surefoot_agent.ports import Decision, Refusal, Wish
from surefoot_agent.record import Committed, Ended, Record
from surefoot_shared.messages import JointSet, MetadataVersions, RunningProof, ShadowTerms
from surefoot_shared.status import AFTER_ARMED, BEFORE_ARMED, AttemptState, Outcome, SlotName
from tests.agent.test_machine import WISH

NEWER = replace(WISH, assignment="a-2", seq=8, digest="e" * 64)
REFUSAL = Refusal("a-2", "app", 8, "wrong_hardware", "Not for this board.")
IDLE = Record("app", seq=6)
PROOF = RunningProof(WISH.digest, SlotName.A, 1, "/a/run", "/a", True, 0.0)
BEFORE = sorted(BEFORE_ARMED)
AFTER = sorted(AFTER_ARMED)
DEAF = [AttemptState.COMMITTING, AttemptState.REVERTING, AttemptState.CLEANING]
NOON = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)


def decision(
    *wishes: Wish, refusals: tuple[Refusal, ...] = (), epoch: int = 0, halted: tuple[str, ...] = ()
) -> Decision:
    return Decision(wishes, refusals, 1, MetadataVersions(), MetadataVersions(), "", epoch, halted)


def during(state: AttemptState) -> Record:
    return Record("app", state=state, seq=7, wish=WISH, attempt=1)


def test_an_idle_device_begins_a_newer_wish() -> None:
    assert plan(IDLE, decision(WISH), None) == (e.Assigned(WISH),)


@pytest.mark.parametrize("seq", [5, 6])
def test_a_wish_that_was_accepted_before_gives_nothing(seq: int) -> None:
    assert plan(IDLE, decision(replace(WISH, seq=seq)), None) == ()


def test_a_wish_for_another_component_is_none_of_ours() -> None:
    assert plan(IDLE, decision(replace(WISH, component="model")), None) == ()


def test_a_digest_that_already_runs_committed_is_there_at_once_whatever_the_intent() -> None:
    assert plan(IDLE, decision(WISH), PROOF) == (e.AlreadyThere(WISH, PROOF),)


def test_a_committed_digest_that_does_not_run_at_this_moment_is_neither_claimed_nor_installed_again() -> None:
    record = replace(IDLE, committed=Committed(WISH.digest, "1.1", SlotName.A))

    assert plan(record, decision(WISH), None) == ()
    assert wanted(record, decision(WISH))


def test_in_rescue_another_release_is_taken_and_neither_the_same_nor_one_of_a_set() -> None:
    stuck = during(AttemptState.RESCUE)

    assert plan(stuck, decision(NEWER), None) == (e.Superseded(),)
    assert wanted(stuck, decision(NEWER))
    for same in (WISH, replace(WISH, assignment="a-2", seq=8)):
        assert plan(stuck, decision(same), None) == ()
        assert not wanted(stuck, decision(same))
    in_a_set = replace(stuck, wish=replace(WISH, joint=JointSet("set-1", (("app", WISH.digest), ("model", "f" * 64)))))
    assert plan(in_a_set, decision(NEWER), None) == ()
    assert plan(replace(stuck, wish=None), decision(NEWER), None) == ()


def test_a_refusal_is_told_once() -> None:
    assert plan(IDLE, decision(refusals=(REFUSAL,)), None) == (e.Refused(REFUSAL),)
    assert plan(replace(IDLE, seq=8), decision(refusals=(REFUSAL,)), None) == ()


def test_a_halted_release_is_not_begun() -> None:
    events = plan(IDLE, decision(WISH, epoch=2, halted=(WISH.digest,)), None)

    assert events[0] == e.HaltListed(2, (WISH.digest,))
    assert isinstance(events[1], e.Refused)
    assert events[1].refusal.reason == "halted"


def test_a_halt_remembered_from_before_counts_against_an_older_decision() -> None:
    record = replace(IDLE, halt_epoch=3, halted=(WISH.digest,))

    events = plan(record, decision(WISH, epoch=2), None)

    assert [type(event) for event in events] == [e.Refused]


@pytest.mark.parametrize("state", BEFORE)
def test_before_armed_a_missing_wish_withdraws_and_another_digest_supersedes(state: AttemptState) -> None:
    assert plan(during(state), decision(), None) == (e.Withdrawn(),)
    assert plan(during(state), decision(NEWER), None) == (e.Superseded(),)
    assert plan(during(state), decision(refusals=(REFUSAL,)), None) == (e.Superseded(),)


@pytest.mark.parametrize("state", BEFORE)
def test_before_armed_the_same_digest_goes_on(state: AttemptState) -> None:
    again, other = replace(WISH, seq=8), replace(WISH, seq=8, assignment="a-2")

    assert plan(during(state), decision(WISH), None) == ()
    assert plan(during(state), decision(again), None) == (e.Renewed(again),)
    assert plan(during(state), decision(other), None) == (e.Replaced(other),)


@pytest.mark.parametrize("state", BEFORE)
def test_a_refusal_of_the_assignment_under_way_is_not_decided_again(state: AttemptState) -> None:
    late = Refusal("a-1", "app", 7, "metadata_expired", "Expired meanwhile.")

    assert plan(during(state), decision(refusals=(late,)), None) == ()


@pytest.mark.parametrize("state", BEFORE)
def test_before_armed_a_halt_ends_the_attempt(state: AttemptState) -> None:
    events = plan(during(state), decision(WISH, epoch=2, halted=(WISH.digest,)), None)

    assert events == (e.HaltListed(2, (WISH.digest,)), e.Halted())


@pytest.mark.parametrize("state", BEFORE)
def test_an_attempt_ends_once_though_it_is_halted_and_withdrawn_together(state: AttemptState) -> None:
    events = plan(during(state), decision(epoch=2, halted=(WISH.digest,)), None)

    assert events == (e.HaltListed(2, (WISH.digest,)), e.Withdrawn())


@pytest.mark.parametrize("state", AFTER)
def test_after_arming_a_withdrawal_or_another_release_orders_back_and_a_halt_does_not(state: AttemptState) -> None:
    assert [type(x) for x in plan(during(state), decision(), None)] == [e.OrderedBack]
    assert [type(x) for x in plan(during(state), decision(NEWER), None)] == [e.OrderedBack]
    assert plan(during(state), decision(WISH), None) == ()
    assert plan(during(state), decision(WISH, epoch=2, halted=(WISH.digest,)), None) == (
        e.HaltListed(2, (WISH.digest,)),
    )


@pytest.mark.parametrize("state", DEAF)
@pytest.mark.parametrize("wishes", [(), (WISH,), (NEWER,)])
def test_a_commit_a_way_back_and_a_cleaning_are_never_disturbed(state: AttemptState, wishes: tuple[Wish, ...]) -> None:
    assert plan(during(state), decision(*wishes), None) == ()


def test_numbers_that_a_thief_used_up_count_no_more_under_the_root_that_dropped_his_key() -> None:
    record = replace(IDLE, seq=2**62, seq_root=1, ended=Ended("stolen", 1, Outcome.REFUSED))
    honest, refused = replace(WISH, root=2), replace(REFUSAL, root=2)

    assert plan(record, decision(honest), None) == (e.Assigned(honest),)
    assert plan(record, decision(refusals=(refused,)), None) == (e.Refused(refused),)
    assert wanted(record, decision(honest))
    assert plan(record, decision(replace(honest, root=1)), None) == ()


def test_a_new_root_alone_does_not_try_an_assignment_again() -> None:
    ended = replace(IDLE, seq=7, seq_root=1, ended=Ended(WISH.assignment, 1, Outcome.REVERTED, "health_failed"))
    again = replace(WISH, root=2)

    assert plan(ended, decision(again), None) == ()
    assert not wanted(ended, decision(again))
    for state in (*BEFORE, *AFTER):
        assert plan(replace(during(state), seq_root=1), decision(again), None) == ()


@pytest.mark.parametrize("state", BEFORE)
def test_before_armed_an_honest_assignment_under_a_new_root_takes_the_place_of_a_thiefs(state: AttemptState) -> None:
    stolen = replace(WISH, assignment="stolen", seq=2**62, root=1)
    record = replace(during(state), seq=stolen.seq, seq_root=1, wish=stolen)

    assert plan(record, decision(replace(NEWER, root=2)), None) == (e.Superseded(),)


def test_halts_of_a_thief_end_with_his_key_whatever_epoch_he_gave_them() -> None:
    record = replace(IDLE, halt_epoch=2**62, halt_root=1, halted=("x",))

    assert halt(record, 5, (), 2) == (e.HaltListed(5, (), 2),)
    assert halt(replace(record, halt_epoch=5, halt_root=2, halted=()), 2**62, ("x",), 1) == ()
    late = replace(decision(WISH, epoch=2**62, halted=(WISH.digest,)), halt_root=1)
    assert plan(replace(IDLE, halt_epoch=5, halt_root=2), late, None) == (e.Assigned(WISH),)


def test_an_older_halt_list_is_ignored_and_a_newer_one_may_lift() -> None:
    record = replace(IDLE, halt_epoch=3, halted=("x",))

    assert halt(record, 2, ("y",)) == ()
    assert halt(record, 3, ("x",)) == ()
    assert halt(record, 4, ()) == (e.HaltListed(4, ()),)


def test_without_windows_the_turn_comes_at_once() -> None:
    assert turn(WISH, NOON, held=None) == e.TurnCame()


def test_a_lock_or_a_missing_order_to_activate_holds_the_switch() -> None:
    assert turn(WISH, NOON, held="somebody holds it") == Waits("waits: somebody holds it")
    assert turn(replace(WISH, activate=False), NOON, held=None) == Waits("waits for the order to switch")


@pytest.mark.parametrize(
    ("windows", "answer"),
    [
        ((("2030-01-01T11:00:00Z", "2030-01-01T13:00:00Z"),), e.TurnCame()),
        (
            (("2030-01-01T13:00:00Z", "2030-01-01T14:00:00Z"),),
            Waits("waits for its window, which opens at 2030-01-01 13:00 UTC"),
        ),
        ((("2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z"),), e.WindowsOver()),
        (
            (("2030-01-01T10:00:00", "2030-01-01T11:00:00"), ("2030-01-02T10:00:00Z", "2030-01-02T11:00:00Z")),
            Waits("waits for its window, which opens at 2030-01-02 10:00 UTC"),
        ),
        ((("noon", "midnight"),), e.WindowsOver()),
    ],
)
def test_windows_open_wait_and_end(windows: tuple[tuple[str, str], ...], answer: e.Event | Waits) -> None:
    assert turn(replace(WISH, windows=windows), NOON, held=None) == answer


def test_only_an_idle_device_wants_something_next() -> None:
    assert wanted(IDLE, decision(WISH))
    assert not wanted(IDLE, None)
    assert not wanted(replace(IDLE, seq=7), decision(WISH))
    assert not wanted(during(AttemptState.PROBATION), decision(NEWER))


@pytest.mark.parametrize("recreate", [False, True])
def test_for_a_shadow_nothing_is_given_up_whatever_else_is_ordered(recreate: bool) -> None:
    wish = replace(WISH, activate=True, recreate=recreate, shadow=ShadowTerms(60, 900, 100))
    at = datetime(2026, 3, 1, tzinfo=timezone.utc)

    full = came(Record("app", AttemptState.CHECKING, wish=wish, full=True), at, None)
    staged = came(Record("app", AttemptState.STAGED, wish=wish), at, None)

    assert isinstance(full, e.StepFailed)
    assert (full.outcome, full.reason) == (Outcome.REFUSED, "no_space")
    assert isinstance(staged, Waits)
