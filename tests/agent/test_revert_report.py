from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import effects, guard
from surefoot_agent import events as e
from surefoot_agent.record import Ending, Record
from surefoot_agent.reset_cause import Cause
from surefoot_agent.revert_report import LOG_TAIL_BYTES, store_report
from surefoot_agent.sight import Hands
from surefoot_agent.trial import Verdict
from surefoot_shared.messages import EventKind, RevertReport
from surefoot_shared.status import AttemptState, Outcome, SlotName
from tests.agent.fakes import Device

pytestmark = pytest.mark.usefixtures("unsynced")

A, B = SlotName.A, SlotName.B


@pytest.fixture
def device(tmp_path: Path) -> Device:
    made = Device(tmp_path)
    made.application.start(A, made.manifests["1.0"])
    return made


@pytest.fixture
def hands(device: Device) -> Hands:
    return device.hands()


@pytest.fixture
def on_trial(device: Device) -> Record:
    """An attempt at 1.1 whose release runs from slot B since this boot."""
    device.boot_control.set_primary(B)
    boot = device.world.boot_id()
    wish = device.wish("1.1", "a-1")
    return Record("app", AttemptState.PROBATION, 1, wish, 1, B, A, starts=2, activation="start-2", boot=boot)


def reverting(record: Record) -> Record:
    ending = Ending(Outcome.REVERTED, "health_failed", "frozen frames", "camera", {"fps": 0.0})
    return replace(record, state=AttemptState.REVERTING, ending=ending)


def stored(hands: Hands, record: Record) -> RevertReport:
    event = store_report(hands, record)
    assert isinstance(event, e.ReportStored)
    return event.report


def told(device: Device) -> RevertReport:
    """The report that the server got with the outcome."""
    events = [x for x in device.server.events.values() if x.kind is EventKind.OUTCOME]
    assert len(events) == 1
    assert events[0].report is not None
    return events[0].report


def test_the_report_is_on_shared_data_before_anything_goes_back(device: Device, hands: Hands, on_trial: Record) -> None:
    event = store_report(hands, reverting(on_trial))

    assert isinstance(event, e.ReportStored)
    assert (event.report.check, event.report.message, event.report.log_tail) == (
        "camera",
        "frozen frames",
        "the last words",
    )
    assert [p.name for p in (device.folder / "reports").iterdir()] == ["a-1-1.json"]
    assert device.boot_control.current() is B


def test_the_first_report_stands_when_the_step_is_repeated(device: Device, hands: Hands, on_trial: Record) -> None:
    first = store_report(hands, reverting(on_trial))
    other = replace(reverting(on_trial), ending=Ending(Outcome.REVERTED, "boot_failed", "later"))

    assert store_report(hands, other) == first


def test_a_torn_report_is_written_again(device: Device, hands: Hands, on_trial: Record) -> None:
    first = store_report(hands, reverting(on_trial))
    file = device.folder / "reports" / "a-1-1.json"
    file.write_bytes(file.read_bytes()[:20])

    assert store_report(hands, reverting(on_trial)) == first


def test_a_full_disk_does_not_keep_the_device_on_a_bad_release(
    device: Device, hands: Hands, on_trial: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(guard, "write_file", full)

    assert isinstance(store_report(hands, reverting(on_trial)), e.ReportStored)


def test_an_assignment_with_a_hostile_name_stays_inside_the_folder(
    device: Device, hands: Hands, on_trial: Record
) -> None:
    assert on_trial.wish is not None
    hostile = replace(on_trial, wish=replace(on_trial.wish, assignment="../../etc/x"))

    store_report(hands, reverting(hostile))

    assert [p.name for p in (device.folder / "reports").iterdir()] == ["..%2F..%2Fetc%2Fx-1.json"]


def test_a_report_says_which_start_it_was_and_that_the_machine_did_not_restart(hands: Hands, on_trial: Record) -> None:
    report = stored(hands, reverting(on_trial))

    assert (report.start, report.reset_cause, report.kernel_tail) == (2, None, "")


def test_a_report_after_a_panic_carries_the_kernels_last_words(device: Device, on_trial: Record) -> None:
    device.restart(Cause.PANIC)
    device.kernel_tail = "Kernel panic - not syncing: no camera"

    report = stored(device.hands(), reverting(on_trial))

    assert (report.reset_cause, report.kernel_tail) == ("panic", "Kernel panic - not syncing: no camera")


def test_where_the_guard_went_back_its_reason_and_what_it_kept_of_the_log_are_told(device: Device) -> None:
    device.health.silent = {"1.1"}
    device.assign(device.wish("1.1", "a-1"))
    agent = device.start_agent()
    device.play(agent, 900.0, lambda: agent.record.state is AttemptState.PROBATION)
    device.trials.decide("a-1", 1, Verdict.GUARD, "no_verdict")  # as the guard does, with the words it kept
    (device.component_dir / guard.LAST_WORDS).write_text("x" * LOG_TAIL_BYTES + "the new release's end")
    device.boot_control.set_primary(A)
    device.application.start(A, device.manifests["1.0"])

    device.run_until_idle(device.start_agent())

    report = told(device)
    assert (report.cause, device.server.outcomes()) == ("no_verdict", [("a-1", Outcome.REVERTED, "no_verdict")])
    assert report.log_tail.endswith("the new release's end")
    assert len(report.log_tail) == LOG_TAIL_BYTES


def test_words_that_an_earlier_guard_kept_are_not_told_of_another_trial(
    device: Device, hands: Hands, on_trial: Record
) -> None:
    (device.component_dir / guard.LAST_WORDS).write_text("of last month")

    assert stored(hands, reverting(on_trial)).log_tail == "the last words"


def test_a_release_whose_agent_never_ran_is_reported_by_the_old_one(device: Device) -> None:
    device.assign(device.wish("1.1", "a-1"))
    agent = device.start_agent()
    device.play(agent, 900.0, lambda: agent.record.state is AttemptState.PROBATION)
    for _ in range(2):  # the bootloader fell back each time, as a kernel that panics leaves it no choice
        device.play(agent, 2.0)
        device.restart(Cause.PANIC)
        device.kernel_tail = "Kernel panic"
        device.boot_control.set_primary(A)
        agent = device.start_agent()

    device.run_until_idle(agent)

    report = told(device)
    assert (report.cause, report.reset_cause, report.kernel_tail) == ("panic", "panic", "Kernel panic")
    assert device.server.outcomes() == [("a-1", Outcome.REVERTED, "boot_failed")]
    assert device.running_version() == "1.0"


def test_a_report_without_an_attempt_has_a_file_of_its_own(device: Device, hands: Hands) -> None:
    effects.revert(hands, Record("app", AttemptState.RESCUE))

    assert stored(hands, Record("app", AttemptState.RESCUE)).cause == "unexplained"
    assert [p.name for p in (device.folder / "reports").iterdir()] == ["none-0.json"]
