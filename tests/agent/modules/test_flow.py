"""The table against the order of calls that fleets of such modules rely on: what is called, and how the device ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from surefoot_agent.modules.flow import (
    MOST_CALLS,
    NEXT,
    QUERIES,
    Attempt,
    Happened,
    Order,
    Step,
    after,
    answer,
    begin,
    resumed,
)

SHORT = {
    Step.DOWNLOAD: "D",
    Step.INSTALL: "AI",
    Step.REBOOT: "AR",
    Step.VERIFY_REBOOT: "AVR",
    Step.COMMIT: "AC",
    Step.ROLLBACK: "ARb",
    Step.ROLLBACK_REBOOT: "ARbR",
    Step.VERIFY_ROLLBACK_REBOOT: "AVRbR",
    Step.FAILURE: "AF",
    Step.CLEANUP: "CL",
}
STEP = {name: step for step, name in SHORT.items()}
BACK = "ARb ARbR AVRbR AF CL"
INSTALLED, AS_BEFORE, BROKEN = "installed", "as before", "inconsistent"


def play(faults: str = "", rollback: bool = True, reboot: bool = True, order: Order = Order.V4) -> tuple[str, str]:
    """Play a module; `faults` are `err@STEP`, `kill@STEP` (once each) or `err@STEP!` (always). Return (calls, end)."""
    left = [fault.split("@") for fault in faults.split()]
    attempt, calls = Attempt("d"), []
    while attempt.step is not Step.DONE:
        if attempt.step is Step.VERDICT:
            attempt = after(attempt, Happened.OK, order)
            continue
        attempt = begin(attempt)
        if attempt.step in SHORT:
            calls.append(SHORT[attempt.step])
        attempt = _reply(attempt, left, rollback, reboot, order)
    end = INSTALLED if attempt.committed else AS_BEFORE if attempt.consistent else BROKEN
    return " ".join(calls), end


def _reply(attempt: Attempt, left: list[list[str]], rollback: bool, reboot: bool, order: Order) -> Attempt:
    step = attempt.step
    for fault in left:
        kind, name = fault[0], fault[1].rstrip("!")
        if name == SHORT.get(step, step.call):
            if not fault[1].endswith("!"):
                left.remove(fault)
            return resumed(attempt, order) if kind == "kill" else after(attempt, Happened.FAILED, order)
    if step in QUERIES:
        wanted = rollback if step.call == "SupportsRollback" else reboot
        return after(attempt, Happened.YES if wanted else Happened.NO, order)
    return after(attempt, Happened.OK, order)


@pytest.mark.parametrize(
    ("faults", "calls", "end"),
    [
        ("", "D AI AR AVR AC CL", INSTALLED),
        ("err@D", "D CL", AS_BEFORE),
        ("kill@D", "D CL", AS_BEFORE),
        ("err@AI", f"D AI {BACK}", AS_BEFORE),
        ("kill@AI", f"D AI {BACK}", AS_BEFORE),
        ("err@AR", f"D AI AR {BACK}", AS_BEFORE),
        ("kill@AR", "D AI AR AVR AC CL", INSTALLED),
        ("err@AVR", f"D AI AR AVR {BACK}", AS_BEFORE),
        ("kill@AVR", f"D AI AR AVR {BACK}", AS_BEFORE),
        ("err@AVR err@ARb", "D AI AR AVR ARb AF CL", BROKEN),
        ("err@AVR kill@ARb", "D AI AR AVR ARb ARb ARbR AVRbR AF CL", AS_BEFORE),
        ("err@AVR err@ARbR", f"D AI AR AVR {BACK}", AS_BEFORE),
        ("err@AVR kill@ARbR", f"D AI AR AVR {BACK}", AS_BEFORE),
        ("err@AVR err@AVRbR", "D AI AR AVR ARb ARbR AVRbR ARbR AVRbR AF CL", AS_BEFORE),
        ("err@AVR kill@AVRbR", "D AI AR AVR ARb ARbR AVRbR AVRbR AF CL", AS_BEFORE),
        ("err@AI err@AF", f"D AI {BACK}", BROKEN),
        ("err@AI kill@AF", "D AI ARb ARbR AVRbR AF AF CL", AS_BEFORE),
        ("err@AVR err@CL", f"D AI AR AVR {BACK}", AS_BEFORE),
        ("err@AVR kill@CL", f"D AI AR AVR {BACK} CL", AS_BEFORE),
        ("err@AC", f"D AI AR AVR AC {BACK}", AS_BEFORE),
        ("kill@AC", f"D AI AR AVR AC {BACK}", BROKEN),
        ("err@NeedsArtifactReboot!", "D AI ARb AF CL", BROKEN),
        ("err@AI err@SupportsRollback!", "D AI AF CL", BROKEN),
    ],
)
def test_a_module_with_rollback_that_restarts_is_called_in_this_order(faults: str, calls: str, end: str) -> None:
    assert play(faults) == (calls, end)


@pytest.mark.parametrize(
    ("faults", "calls", "end"),
    [
        ("", "D AI AR AVR AC CL", INSTALLED),
        ("err@D", "D CL", AS_BEFORE),
        ("kill@D", "D CL", AS_BEFORE),
        ("err@AI", "D AI AF CL", BROKEN),
        ("kill@AI", "D AI AF CL", BROKEN),
        ("err@AI kill@AF", "D AI AF AF CL", BROKEN),
        ("err@AVR kill@CL", "D AI AR AVR AF CL CL", BROKEN),
    ],
)
def test_without_rollback_a_failure_leaves_the_device_inconsistent(faults: str, calls: str, end: str) -> None:
    assert play(faults, rollback=False) == (calls, end)


@pytest.mark.parametrize(
    ("faults", "calls", "end"),
    [
        ("", "D AI AC CL", INSTALLED),
        ("err@AC", "D AI AC ARb AF CL", AS_BEFORE),
        ("kill@AC", "D AI AC ARb AF CL", BROKEN),
        ("err@AI", "D AI ARb AF CL", AS_BEFORE),
    ],
)
def test_where_no_restart_is_needed_none_is_called_on_the_way_back_either(faults: str, calls: str, end: str) -> None:
    assert play(faults, reboot=False) == (calls, end)


@pytest.mark.parametrize("order", Order)
def test_both_orders_call_the_same_steps_and_end_the_same(order: Order) -> None:
    assert play("err@AI", order=order) == (f"D AI {BACK}", AS_BEFORE)
    assert play("err@AI", rollback=False, order=order) == ("D AI AF CL", BROKEN)


def test_the_early_order_asks_for_rollback_once_and_before_anything_is_installed() -> None:
    attempt = after(begin(Attempt("d")), Happened.OK, Order.V3)

    assert attempt.step is Step.ASK_ROLLBACK_EARLY
    attempt = after(begin(after(begin(attempt), Happened.NO, Order.V3)), Happened.FAILED, Order.V3)
    assert (attempt.step, attempt.consistent) == (Step.FAILURE, False)


@pytest.mark.parametrize("faults", ["err@AVR err@AVRbR!", "err@AVR kill@AF!", "err@AI kill@SupportsRollback!"])
def test_a_module_that_gets_nowhere_is_left_and_still_cleaned_up(faults: str) -> None:
    calls, end = play(faults)

    assert end == BROKEN
    assert calls.endswith(" CL")
    assert len(calls.split()) <= MOST_CALLS + 1


def test_a_cleanup_that_is_cut_short_for_ever_ends_too() -> None:
    calls, _ = play("kill@CL!")

    assert len(calls.split()) <= MOST_CALLS + 1


def possible(step: Step) -> Iterator[Happened]:
    """What can come of a call: a query is answered, everything else ends well or not, and each may be cut short."""
    answers = [Happened.OK, Happened.FAILED]
    if step in QUERIES:
        answers = [Happened.YES, Happened.NO, Happened.FAILED]
        answers += [Happened.AUTOMATIC] if step.call == "NeedsArtifactReboot" else []
    yield from answers
    if step is not Step.VERDICT:
        yield Happened.CUT


def test_every_step_has_a_row_for_each_thing_that_can_happen_and_no_other() -> None:
    wanted = {(step, happened) for step in Step if step is not Step.DONE for happened in possible(step)}

    assert set(NEXT) == wanted


@pytest.mark.parametrize("order", Order)
def test_whatever_happens_it_ends_is_cleaned_up_and_never_goes_back_from_a_commit(order: Order) -> None:
    seen, waiting = set(), [Attempt("d")]
    while waiting:
        attempt = waiting.pop()
        if attempt in seen or attempt.step is Step.DONE:
            continue
        seen.add(attempt)
        for happened in possible(attempt.step):
            following = after(replace(attempt, begun=True, calls=min(attempt.calls + 1, 3)), happened, order)
            assert not (attempt.committed and following.step not in (Step.CLEANUP, Step.DONE))
            assert following.step is not Step.DONE or attempt.step is Step.CLEANUP
            waiting.append(following)
    assert len(seen) > 30


@pytest.mark.parametrize(
    ("code", "lines", "automatic", "meaning"),
    [
        (0, [], True, Happened.NO),
        (0, ["No"], True, Happened.NO),
        (0, ["Yes"], True, Happened.YES),
        (0, ["Automatic"], True, Happened.AUTOMATIC),
        (0, ["Automatic"], False, Happened.FAILED),
        (0, ["yes"], True, Happened.FAILED),
        (0, ["Yes", ""], True, Happened.FAILED),
        (1, ["Yes"], True, Happened.FAILED),
    ],
)
def test_an_answer_is_one_line_or_a_failure(code: int, lines: list[str], automatic: bool, meaning: Happened) -> None:
    assert answer(code, lines, automatic) is meaning


def test_what_was_not_begun_is_not_resumed() -> None:
    assert resumed(Attempt("d")) == Attempt("d")
