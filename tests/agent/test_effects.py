from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import effects, guard
from surefoot_agent import events as e
from surefoot_agent.application import Application
from surefoot_agent.record import Committed, Ending, Record
from surefoot_agent.sight import Hands
from surefoot_agent.trial import Verdict
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed, UntrustedRelease
from surefoot_shared.messages import Lease, Source
from surefoot_shared.release import digest_of
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState
from tests.agent.apps import SLEEPER, until
from tests.agent.fakes import Device
from tests.agent.trees import install, release

pytestmark = pytest.mark.usefixtures("unsynced")

A, B = SlotName.A, SlotName.B
LEASE = Lease("a-1", (Source("https://x/", "t"),), 60.0)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    made = Device(tmp_path)
    made.application.start(A, made.manifests["1.0"])
    return made


@pytest.fixture
def hands(device: Device) -> Hands:
    return device.hands()


@pytest.fixture
def record(device: Device) -> Record:
    """An attempt at 1.1 that preflight sent into slot B."""
    return Record("app", AttemptState.DOWNLOADING, 1, device.wish("1.1", "a-1"), 1, B, A, previous_kept=False)


@pytest.fixture
def staged(hands: Hands, record: Record) -> Record:
    download(hands, record)
    effects.seal(hands, record)
    return replace(record, state=AttemptState.STAGED)


@pytest.fixture
def armed(hands: Hands, staged: Record) -> Record:
    activation = hands.application.running()
    assert activation is not None
    return replace(staged, state=AttemptState.ARMED, activation=activation.start_id)


@pytest.fixture
def on_trial(hands: Hands, armed: Record) -> Record:
    assert effects.arm(hands, armed) == e.Flipped()
    switched = effects.switch(hands, armed)
    assert isinstance(switched, e.Switched)
    return replace(armed, state=AttemptState.PROBATION, activation=switched.activation, soak_s=4.0)


def download(hands: Hands, record: Record) -> e.Event:
    return effects.download(hands, record, LEASE, lambda done, total: None, lambda: False)


def verdict(device: Device) -> Verdict | None:
    trial = device.trials.of("a-1", 1)
    assert trial is not None
    return trial.verdict


# --- preflight and download -------------------------------------------------------------------------------------------


def test_preflight_chooses_the_slot_that_does_not_run(hands: Hands, record: Record) -> None:
    assert effects.preflight(hands, record) == e.CheckPassed(B, A)


def test_preflight_refuses_a_device_that_could_not_go_back(device: Device, hands: Hands, record: Record) -> None:
    device.slots.clear(A)

    refused = effects.preflight(hands, record)

    assert isinstance(refused, e.StepFailed)
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "slot_corrupt")
    assert "the way back, is damaged" in refused.message


def test_a_slot_that_holds_the_release_already_is_not_fetched_again(hands: Hands, staged: Record) -> None:
    assert effects.preflight(hands, staged) == e.SlotHeld(B, A)


def test_a_manifest_that_says_other_than_its_signed_target_is_refused(
    device: Device, hands: Hands, record: Record
) -> None:
    assert record.wish is not None
    lying = replace(record, wish=replace(record.wish, note=replace(record.wish.note, counter=9)))

    with pytest.raises(UntrustedRelease) as caught:
        download(hands, lying)

    assert caught.value.kind == "target_mismatch"
    assert device.boot_control.state(B) is SlotState.EMPTY


def test_a_download_may_be_repeated(hands: Hands, record: Record) -> None:
    assert download(hands, record) == download(hands, record) == e.Downloaded()


def test_a_slot_that_was_altered_after_its_download_is_not_sealed(device: Device, hands: Hands, record: Record) -> None:
    download(hands, record)
    (device.slots.path(B) / "run").chmod(0o755)
    (device.slots.path(B) / "run").write_bytes(b"something else")

    with pytest.raises(InstallFailed) as caught:
        effects.seal(hands, record)

    assert caught.value.kind == "slot_corrupt"


def test_the_baseline_is_of_what_runs_now_and_names_its_process(hands: Hands, staged: Record) -> None:
    assert effects.measure(hands, staged) == e.Measured({"fps": 25.0}, "start-1", "boot-1")


def test_cleaning_empties_what_was_written_and_keeps_what_was_found(
    device: Device, hands: Hands, staged: Record
) -> None:
    found = replace(staged, previous_kept=True)
    effects.clean(hands, found)
    assert device.slots.digest(B) == device.digest("1.1")

    effects.clean(hands, staged)
    assert device.slots.digest(B) is None
    assert device.boot_control.state(B) is SlotState.EMPTY


def test_what_was_refused_before_its_first_byte_leaves_the_way_back(
    device: Device, hands: Hands, record: Record
) -> None:
    install(
        device.slots,
        B,
        device.manifests["1.2"],
        {f.path: device.downloader.blobs[f.sha256] for f in device.manifests["1.2"].files},
    )
    device.boot_control.set_state(B, SlotState.GOOD)

    assert effects.clean(hands, record) == e.Cleaned(kept=True)
    assert device.slots.digest(B) == device.digest("1.2")
    assert device.boot_control.state(B) is SlotState.GOOD


def test_cleaning_never_touches_the_slot_that_runs(device: Device, hands: Hands, staged: Record) -> None:
    device.boot_control.set_primary(B)

    with pytest.raises(InstallFailed):
        effects.clean(hands, staged)

    assert device.slots.digest(B) == device.digest("1.1")


# --- arm and switch ---------------------------------------------------------------------------------------------------


def test_the_trial_with_its_way_back_is_stored_before_the_link_moves(
    device: Device, hands: Hands, armed: Record
) -> None:
    device.world.trace.clear()

    effects.arm(hands, armed)

    assert device.world.trace.index("after trial") < device.world.trace.index("before link B")
    trial = device.trials.of("a-1", 1)
    assert trial is not None
    assert trial.fallback is not None
    assert (trial.slot, trial.previous, trial.fallback.slot, trial.verdict) == ("B", "A", "A", None)
    assert trial.lock_wait_s > guard.LOCK_WAIT_S
    assert trial.budget_s == hands.guard_budget_s + 4.0


def test_arming_again_extends_no_budget(device: Device, hands: Hands, armed: Record) -> None:
    effects.arm(hands, armed)
    first = device.trials.read()
    device.world.now += 30.0

    effects.arm(hands, armed)

    assert device.trials.read() == first


def test_a_flip_that_does_not_read_back_is_said(device: Device, hands: Hands, armed: Record) -> None:
    device.boot_control.ignores_switches = True

    assert effects.arm(hands, armed) == e.NotTaken()


def test_a_slot_that_changed_since_it_was_verified_is_not_armed(device: Device, hands: Hands, armed: Record) -> None:
    device.slots.clear(B)

    with pytest.raises(InstallFailed, match="does not hold what was verified"):
        effects.arm(hands, armed)

    assert device.boot_control.current() is A


def test_a_switch_that_was_done_before_the_agent_died_is_taken_as_it_is(
    device: Device, hands: Hands, armed: Record
) -> None:
    effects.arm(hands, armed)
    first = effects.switch(hands, armed)
    starts = list(device.application.starts)

    assert effects.switch(hands, armed) == first
    assert device.application.starts == starts


@pytest.mark.parametrize("reason", ["no_verdict", "too_many_tries"])
def test_a_stored_verdict_stops_arm_switch_look_and_commit(
    device: Device, hands: Hands, on_trial: Record, reason: str
) -> None:
    device.trials.decide("a-1", 1, Verdict.GUARD, reason)

    for act in (effects.arm, effects.switch, effects.look, effects.commit):
        event = act(hands, on_trial)
        assert isinstance(event, e.Unhealthy), act
        assert (event.reason, event.cause) == (reason, "no_verdict")
    assert device.boot_control.state(B) is SlotState.BAD


def test_a_failing_check_counts_unless_the_guard_spoke_before(device: Device, hands: Hands, on_trial: Record) -> None:
    sick = e.Unhealthy("health_failed", "Check camera: no frame")

    before = effects.condemn(hands, on_trial, sick)
    device.trials.decide("a-1", 1, Verdict.GUARD, "no_verdict")
    after = effects.condemn(hands, on_trial, sick)

    assert before is sick
    assert isinstance(after, e.Unhealthy)
    assert (after.reason, after.cause) == ("no_verdict", "no_verdict")


def test_a_trial_record_that_vanished_leads_back(device: Device, hands: Hands, on_trial: Record) -> None:
    for file in device.component_dir.glob("trial.[01]"):
        file.unlink()

    for act in (effects.switch, effects.look, effects.commit):
        assert isinstance(act(hands, on_trial), e.Unhealthy), act


def test_a_budget_that_is_over_stops_switch_look_and_commit_though_no_guard_ran(
    device: Device, hands: Hands, on_trial: Record
) -> None:
    device.world.now += 1000.0

    for act in (effects.switch, effects.look, effects.commit):
        event = act(hands, on_trial)
        assert isinstance(event, e.Unhealthy), act
        assert event.reason == "no_verdict"


def test_looking_sees_a_dead_and_a_restarted_application(device: Device, hands: Hands, on_trial: Record) -> None:
    assert effects.look(hands, on_trial) is None

    device.application.start(B, device.manifests["1.1"])
    assert isinstance(effects.look(hands, on_trial), e.Died)
    device.application.process = None
    assert isinstance(effects.look(hands, on_trial), e.Died)


# --- commit -----------------------------------------------------------------------------------------------------------


def test_commit_marks_boot_control_first_then_the_verdict_and_proves_what_runs(
    device: Device, hands: Hands, on_trial: Record
) -> None:
    device.world.trace.clear()

    event = effects.commit(hands, on_trial)

    order = device.world.trace
    assert order.index("after boot B=good") < order.index("after link B") < order.index("before trial")
    assert isinstance(event, e.CommitHeld)
    assert (event.proof.digest, event.proof.slot, event.proof.soak_s) == (device.digest("1.1"), B, 4.0)
    assert verdict(device) is Verdict.HEALTHY


def test_a_commit_may_be_repeated_after_a_death_at_any_point(device: Device, hands: Hands, on_trial: Record) -> None:
    first = effects.commit(hands, on_trial)

    assert effects.commit(hands, on_trial) == first


def test_a_commit_that_was_issued_is_finished_though_the_budget_ended_meanwhile(
    device: Device, hands: Hands, on_trial: Record
) -> None:
    device.boot_control.set_state(B, SlotState.GOOD)
    device.world.now += 1000.0

    assert isinstance(effects.commit(hands, on_trial), e.CommitHeld)


def test_a_guard_that_decided_and_died_before_it_moved_the_link_still_wins(
    device: Device, hands: Hands, on_trial: Record
) -> None:
    device.boot_control.set_state(B, SlotState.GOOD)
    device.trials.decide("a-1", 1, Verdict.GUARD, "no_verdict")

    assert isinstance(effects.commit(hands, on_trial), e.Unhealthy)


def test_a_slot_that_was_left_is_not_committed(device: Device, hands: Hands, on_trial: Record) -> None:
    device.boot_control.set_primary(A)

    assert isinstance(effects.commit(hands, on_trial), e.CommitLost)


def test_a_slot_whose_content_changed_on_trial_is_not_committed(device: Device, hands: Hands, on_trial: Record) -> None:
    device.slots.clear(B)

    event = effects.commit(hands, on_trial)

    assert isinstance(event, e.Unhealthy)
    assert event.reason == "slot_corrupt"


# --- the way back -----------------------------------------------------------------------------------------------------


def reverting(record: Record) -> Record:
    ending = Ending(Outcome.REVERTED, "health_failed", "frozen frames", "camera", {"fps": 0.0})
    return replace(record, state=AttemptState.REVERTING, ending=ending)


def test_going_back_decides_moves_marks_and_starts_the_old_release_in_this_order(
    device: Device, hands: Hands, on_trial: Record
) -> None:
    device.world.trace.clear()

    assert effects.revert(hands, reverting(on_trial)) == e.WentBack()

    steps = ["after trial", "after link A", "after boot B=bad", "after start A"]
    places = [device.world.trace.index(step) for step in steps]
    assert places == sorted(places)
    assert (device.running_version(), verdict(device)) == ("1.0", Verdict.UNHEALTHY)
    stored = guard.load_record(device.component_dir, "trial")
    assert stored is not None
    assert not guard.must_act(stored, 1e12)


def test_going_back_twice_does_not_restart_what_runs_already(device: Device, hands: Hands, on_trial: Record) -> None:
    effects.revert(hands, reverting(on_trial))
    starts = list(device.application.starts)

    effects.revert(hands, reverting(on_trial))

    assert device.application.starts == starts


def test_a_way_back_without_a_whole_release_is_an_error_to_be_retried(
    device: Device, hands: Hands, on_trial: Record
) -> None:
    device.slots.clear(A)
    had_one = replace(on_trial, committed=Committed("c" * 64, "1.0", A))

    with pytest.raises(InstallFailed):
        effects.revert(hands, reverting(had_one))

    assert device.boot_control.current() is B


def test_rescue_without_an_attempt_enters_whichever_slot_is_whole(device: Device, hands: Hands) -> None:
    (device.component_dir / "current").unlink()
    device.application.process = None

    assert effects.revert(hands, Record("app", AttemptState.RESCUE)) == e.WentBack()

    assert device.running_version() == device.linked_version() == "1.0"


# --- a real agent, frozen ---------------------------------------------------------------------------------------------

FROZEN = """
import os, pathlib, signal, sys, time
from surefoot_agent import effects
from surefoot_agent.application import Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.clock import SystemClock
from surefoot_agent.data import DataFolder
from surefoot_agent.record import Record
from surefoot_agent.sight import Hands
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.trial import TrialFile
from surefoot_shared import wire

folder = pathlib.Path(sys.argv[1])
record = wire.decode(Record, (folder / "record.json").read_bytes())
component = folder / "app"
slots = DirectorySlots(component)
application = Application(component, slots)
hands = Hands(component, SymlinkBoot(component), slots, None, application, None, TrialFile(component), SystemClock(),
              folder / "reports", 60.0, 3, data=DataFolder(component))
application.start(record.slot, slots.installed(record.slot))
print("frozen", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
print(type(effects.commit(hands, record)).__name__, flush=True)
"""


@pytest.mark.slow
def test_a_frozen_agent_that_thaws_after_the_real_guard_acted_cannot_commit(
    device: Device, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"run": SLEEPER}
    for slot, version in ((A, "1.0"), (B, "1.1")):
        manifest = release(files, version, ("run",), ("run",))
        install(device.slots, slot, manifest, files)
        device.manifests[version] = manifest
    device.downloader.blobs[digest_of(SLEEPER)] = SLEEPER
    monkeypatch.setattr(device.world, "monotonic", time.monotonic)
    monkeypatch.setattr(device.world, "boot_id", guard.boot_id)
    device.guard_budget_s = 0.5
    record = Record("app", AttemptState.ARMED, 1, device.wish("1.1", "a-1"), 1, B, A, previous_kept=False)
    real = replace(device.hands(), application=Application(device.component_dir, device.slots))
    assert effects.arm(real, record) == e.Flipped()
    committing = replace(record, state=AttemptState.COMMITTING)
    (device.folder / "record.json").write_bytes(wire.encode(committing))
    agent = subprocess.Popen([sys.executable, "-c", FROZEN, str(device.folder)], stdout=subprocess.PIPE, text=True)
    assert agent.stdout is not None
    try:
        assert agent.stdout.readline() == "frozen\n"

        until(lambda: guard.look(device.component_dir), "the budget's end", 30.0)
        os.kill(agent.pid, signal.SIGCONT)

        assert agent.stdout.readline() == "Unhealthy\n"
        assert agent.wait(timeout=10) == 0
        assert guard.current_slot(device.component_dir) == "A"
        assert guard.slot_states(device.component_dir)["B"] == "bad"
        process = guard.load_application(device.component_dir)
        assert process is not None
        assert (process.slot, guard.process_alive(process)) == ("A", True)
    finally:
        agent.kill()
        agent.wait()
        guard.stop_application(device.component_dir, 1.0)
