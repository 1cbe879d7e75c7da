"""The agent as a conversation: what the server and the device do, and what the agent does about it."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import doubts, effects, journal
from surefoot_agent import events as e
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.downlink import (
    BundleArrived,
    Connected,
    Disconnected,
    HaltArrived,
    LeaseArrived,
    MessageRefused,
    RequestArrived,
    TrustHintArrived,
)
from surefoot_agent.lanes import ThreadLanes
from surefoot_agent.orders import Order, Verb
from surefoot_agent.ports import Refusal
from surefoot_agent.pull import Pulled
from surefoot_agent.reset_cause import Cause
from surefoot_agent.runner import Runner
from surefoot_agent.trial import Verdict
from surefoot_shared.errors import InstallFailed, Unreachable, UntrustedRelease
from surefoot_shared.messages import EventKind, Lease, MetadataVersions, Request, RequestKind, Source, TrustHint
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState
from surefoot_shared.trust.age import Old
from surefoot_shared.trust.bundle import Bundle, pack
from tests.agent.apps import until
from tests.agent.fakes import Device, HeldLanes

pytestmark = pytest.mark.usefixtures("unsynced")

S = AttemptState


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def reach(device: Device, state: AttemptState, version: str = "1.1", assignment: str = "a-1") -> Runner:
    """Start an agent and let it go on until its attempt is in this state."""
    agent = device.start_agent()
    device.assign(device.wish(version, assignment))
    device.play(agent, 60.0, lambda: agent.record.state is state)
    assert agent.record.state is state
    return agent


def outcome(device: Device) -> tuple[str | None, Outcome | None, str | None]:
    (only,) = device.server.outcomes()
    return only


# --- the main job -----------------------------------------------------------------------------------------------------


def test_an_assigned_release_is_installed_proved_and_committed(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)
    assert device.server.states("a-1") == [
        "offered",
        "checking",
        "downloading",
        "verified",
        "staged",
        "armed",
        "switching",
        "probation",
        "committing",
        "idle",
    ]
    assert device.running_version() == device.linked_version() == "1.1"
    assert device.boot_control.state(SlotName.B) is SlotState.GOOD
    told = next(e for e in device.server.events.values() if e.kind is EventKind.OUTCOME)
    assert told.proof is not None
    assert (told.proof.digest, told.proof.slot, told.proof.marked_good) == (device.digest("1.1"), SlotName.B, True)
    assert told.proof.soak_s >= 4.0
    assert [note.version for note in device.trust.floors][-1] == "1.1"


def test_an_unhealthy_update_is_reverted_and_reported(device: Device) -> None:
    device.health.sick = {"1.1"}
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REVERTED, "health_failed")
    assert device.running_version() == device.linked_version() == "1.0"
    assert device.boot_control.state(SlotName.B) is SlotState.BAD
    told = next(e for e in device.server.events.values() if e.kind is EventKind.OUTCOME)
    assert told.report is not None
    assert (told.report.check, told.report.log_tail, told.report.measured) == ("camera", "the last words", {"fps": 3.0})
    assert "frozen frames" in told.report.message
    assert [note.version for note in device.trust.floors] == ["1.0"]


def test_the_slot_is_bad_in_boot_control_before_its_first_byte_is_written(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    before = device.world.trace[: device.world.trace.index("before slot begin")]

    assert "after boot B=bad" in before
    assert device.downloader.fetched == ["run", "model"]


def test_a_release_that_already_runs_is_committed_at_once_without_a_switch(device: Device) -> None:
    agent = device.start_agent()
    starts = len(device.application.starts)
    device.assign(device.wish("1.0", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)
    assert len(device.application.starts) == max(starts, 1)
    assert device.downloader.fetched == []


def test_the_release_before_comes_back_from_its_slot_without_a_download(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(agent)
    fetched = list(device.downloader.fetched)
    device.server.events.clear()
    device.assign(device.wish("1.0", "a-2"))
    agent.post(Connected())

    device.run_until_idle(agent)

    assert outcome(device) == ("a-2", Outcome.COMMITTED, None)
    assert device.downloader.fetched == fetched
    assert device.running_version() == "1.0"


def test_a_refusal_of_verification_is_an_outcome_with_its_reason(device: Device) -> None:
    agent = device.start_agent()
    device.assign(refusals=(Refusal("a-1", "app", 1, "wrong_hardware", "Not for this board."),))

    device.play(agent, 5.0)

    assert outcome(device) == ("a-1", Outcome.REFUSED, "wrong_hardware")
    assert device.downloader.fetched == []


def test_too_little_room_is_refused_before_the_first_byte(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise InstallFailed("no_space", "Too small.")

    monkeypatch.setattr(device.slots, "room", none)
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REFUSED, "no_space")
    assert "before slot begin" not in device.world.trace


def test_a_release_that_is_refused_before_its_first_byte_leaves_the_way_back(device: Device) -> None:
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(device.start_agent())
    device.guard_budget_s = 1.0
    device.assign(device.wish("1.2", "a-2"))

    agent = device.start_agent()
    device.play(agent, 60.0)

    assert agent.record.state is AttemptState.IDLE
    assert device.server.outcomes()[-1] == ("a-2", Outcome.REFUSED, "probation_too_long")
    assert agent.record.previous_kept
    assert device.slots.digest(SlotName.A) == device.digest("1.0")


def test_a_release_whose_probation_does_not_fit_the_guards_budget_is_refused(device: Device) -> None:
    device.guard_budget_s = 6.0
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REFUSED, "probation_too_long")
    assert device.running_version() == "1.0"


def test_an_altered_manifest_is_never_installed(device: Device) -> None:
    device.downloader.blobs[device.digest("1.1")] = b"{}"
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.FAILED, "artifact_corrupt")
    assert device.slots.digest(SlotName.B) is None


def test_an_untrusted_bundle_changes_nothing_and_is_reported_once(device: Device) -> None:
    agent = device.start_agent()
    for _ in range(5):
        agent.post(BundleArrived(b"forged"))

    device.play(agent, 5.0)

    told = [e for e in device.server.events.values() if e.kind is EventKind.SECURITY]
    assert [e.reason for e in told] == ["metadata_untrusted"]
    assert agent.record.state is S.IDLE


def test_a_late_copy_of_an_older_bundle_changes_nothing(device: Device) -> None:
    agent = device.start_agent()
    old = device.assign()
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)

    agent.post(BundleArrived(old))
    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


def test_a_new_root_is_enough_to_go_on_after_a_thief_used_up_the_numbers(device: Device) -> None:
    agent = device.start_agent()
    bundle = device.assign(refusals=(Refusal("stolen", "app", 2**62, "not_released", "Nobody released it.", root=1),))
    stolen = replace(device.trust.decisions[bundle], director_version=2**62, director=MetadataVersions(root=1))
    device.trust.decisions[bundle] = stolen
    agent.post(BundleArrived(bundle))
    device.play(agent, 60.0, lambda: agent.record.seq == 2**62)

    bundle = device.assign(device.wish("1.1", "a-1", root=2))
    recovered = replace(device.trust.decisions[bundle], director=MetadataVersions(root=2))
    device.trust.decisions[bundle] = recovered
    agent.post(BundleArrived(bundle))
    device.run_until_idle(agent)

    ends = {assignment: end for assignment, end, _ in device.server.outcomes()}
    assert ends == {"stolen": Outcome.REFUSED, "a-1": Outcome.COMMITTED}
    assert (agent.record.seq, agent.record.seq_root) == (1, 2)


# --- orders in the middle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.DOWNLOADING, S.STAGED])
def test_a_withdrawn_assignment_is_cancelled_before_arming(device: Device, state: AttemptState) -> None:
    if state is S.DOWNLOADING:
        device.server.leases = False
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1", activate=False))
    device.play(agent, 60.0, lambda: agent.record.state is state)
    device.assign()
    agent.post(Connected())

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.CANCELLED, "cancelled_by_order")
    assert device.running_version() == "1.0"
    assert device.boot_control.state(SlotName.B) is SlotState.EMPTY


def test_a_newer_assignment_supersedes_and_is_then_installed(device: Device) -> None:
    device.server.leases = False
    agent = reach(device, S.DOWNLOADING)
    device.server.leases = True
    device.assign(device.wish("1.2", "a-2"))
    agent.post(Connected())

    device.play(agent, 120.0, lambda: len(device.server.outcomes()) == 2)

    assert device.server.outcomes() == [
        ("a-1", Outcome.SUPERSEDED, "superseded"),
        ("a-2", Outcome.COMMITTED, None),
    ]
    assert device.running_version() == "1.2"


def test_an_order_to_go_back_in_probation_reverts_and_then_confirms_the_old_release(device: Device) -> None:
    agent = reach(device, S.PROBATION)
    device.assign(device.wish("1.0", "a-2"))
    agent.post(Connected())

    device.play(agent, 120.0, lambda: len(device.server.outcomes()) == 2)

    assert device.server.outcomes() == [
        ("a-1", Outcome.REVERTED, "reverted_by_order"),
        ("a-2", Outcome.COMMITTED, None),
    ]
    assert device.running_version() == "1.0"


def test_a_halt_stops_a_download_and_never_a_commit(device: Device) -> None:
    device.server.leases = False
    agent = reach(device, S.DOWNLOADING)
    device.trust.halts[b"halt"] = (1, (device.digest("1.1"),))
    agent.post(HaltArrived(b"halt"))
    device.run_until_idle(agent)
    assert outcome(device) == ("a-1", Outcome.CANCELLED, "halted")

    device.server.events.clear()
    device.server.leases = True
    device.assign(device.wish("1.2", "a-2"), epoch=1, halted=(device.digest("1.1"),))
    agent.post(Connected())
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    device.trust.halts[b"halt 2"] = (2, (device.digest("1.2"),))
    agent.post(HaltArrived(b"halt 2"))
    device.run_until_idle(agent)

    assert outcome(device) == ("a-2", Outcome.COMMITTED, None)


def test_a_halt_is_remembered_over_a_restart(device: Device) -> None:
    agent = device.start_agent()
    device.trust.halts[b"halt"] = (1, (device.digest("1.1"),))
    agent.post(HaltArrived(b"halt"))
    device.play(agent, 1.0)

    again = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(again)

    assert outcome(device) == ("a-1", Outcome.REFUSED, "halted")


def test_a_forged_halt_is_reported_and_changes_nothing(device: Device) -> None:
    agent = device.start_agent()
    agent.post(HaltArrived(b"forged"))

    device.play(agent, doubts.WAIT_S + 5.0)

    assert agent.record.halt_epoch == 0
    assert [e.kind for e in device.server.events.values()] == [EventKind.SECURITY]


@pytest.mark.parametrize("genuine", [True, False])
def test_a_halt_that_came_before_its_root_is_told_only_where_the_root_does_not_prove_it(
    device: Device, genuine: bool
) -> None:
    agent = device.start_agent()
    device.assign()
    device.play(agent, 2.0)
    agent.post(HaltArrived(b"halt"))
    device.play(agent, 2.0)
    assert not device.server.events

    raw = device.assign()
    device.trust.decisions[raw] = replace(device.trust.decisions[raw], director=MetadataVersions(root=2))
    if genuine:
        device.trust.halts[b"halt"] = (2, ())
    device.play(agent, doubts.WAIT_S + 5.0)

    assert agent.record.halt_epoch == (2 if genuine else 0)
    assert [e.kind for e in device.server.events.values()] == ([] if genuine else [EventKind.SECURITY])


def test_a_flood_of_forged_halts_is_told_at_once(device: Device) -> None:
    agent = device.start_agent()
    for number in range(doubts.MOST + 1):
        agent.post(HaltArrived(b"forged %d" % number))

    device.play(agent, 5.0)

    assert [e.kind for e in device.server.events.values()] == [EventKind.SECURITY]


def test_a_staged_release_waits_for_the_order_to_activate(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1", activate=False))
    device.play(agent, 30.0)
    assert agent.record.state is S.STAGED
    assert device.running_version() == "1.0"

    device.assign(device.wish("1.1", "a-1", activate=True))
    agent.post(Connected())
    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


def test_a_window_that_never_comes_is_refused(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1", windows=(("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"),)))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REFUSED, "window_over")


# --- the network ------------------------------------------------------------------------------------------------------


def test_a_server_that_refuses_load_never_burns_the_attempt(device: Device) -> None:
    device.downloader.errors = [Unreachable("busy", "Later.", retry_after_s=30.0) for _ in range(6)]
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    began = device.world.now

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)
    assert device.world.now - began >= 6 * 30.0


def test_an_expired_lease_is_asked_for_again(device: Device) -> None:
    device.downloader.errors = [Unreachable("lease_expired", "401.")]
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


def test_a_server_that_hands_out_dead_leases_is_not_hammered(device: Device) -> None:
    device.downloader.errors = [Unreachable("lease_expired", "401.") for _ in range(1000)]
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.play(agent, 60.0)

    assert 1000 - len(device.downloader.errors) < 30


def test_a_lease_that_is_late_is_waited_for_and_asked_for_again(device: Device) -> None:
    device.server.leases = False
    agent = reach(device, S.DOWNLOADING)
    device.play(agent, 100.0)
    asked = [e for e in device.server.events.values() if e.state is S.DOWNLOADING]
    assert 3 <= len(asked) <= 5

    agent.post(LeaseArrived(Lease("a-1", (Source("https://x/", "t"),), 600.0)))
    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


def test_a_lease_for_another_assignment_starts_nothing(device: Device) -> None:
    device.server.leases = False
    agent = reach(device, S.DOWNLOADING)

    agent.post(LeaseArrived(Lease("a-9", (Source("https://x/", "t"),), 600.0)))
    device.play(agent, 5.0)

    assert device.downloader.fetched == []


def test_an_update_goes_on_offline_and_is_told_when_the_server_is_back(device: Device) -> None:
    agent = reach(device, S.PROBATION)
    device.server.online = False
    agent.post(Disconnected("unreachable", "Gone."))

    device.play(agent, 60.0, lambda: agent.record.state is S.IDLE)
    assert device.running_version() == "1.1"
    assert device.server.outcomes() == []
    device.server.online = True
    agent.post(Connected())
    device.play(agent, 5.0)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


def test_events_are_sent_again_until_the_server_has_stored_them(device: Device) -> None:
    device.server.acknowledges = False
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(agent)
    device.server.events.clear()
    device.server.acknowledges = True

    device.play(agent, 60.0)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)
    assert device.journal is not None
    assert device.journal.waiting_count() == 0  # type: ignore[operator]


def test_a_twin_with_the_same_identity_is_reported(device: Device) -> None:
    agent = device.start_agent()
    device.play(agent, 1.0)
    agent.post(Disconnected("identity_conflict", "Taken over."))
    agent.post(Connected())

    device.play(agent, 1.0)

    assert "identity_conflict" in [e.reason for e in device.server.events.values()]


def test_a_message_that_cannot_be_read_is_noticed_and_not_fatal(device: Device) -> None:
    agent = device.start_agent()
    agent.post(MessageRefused("down/lease", "no JSON"))

    device.play(agent, 1.0)

    assert [e.reason for e in device.server.events.values()] == ["malformed"]


def test_notices_of_a_hostile_server_are_bounded(device: Device) -> None:
    agent = device.start_agent()
    for number in range(500):
        agent.post(MessageRefused("down/lease", f"no JSON {number}"))

    device.play(agent, 1.0)

    assert len(device.server.events) == 64


def test_a_hello_without_an_answer_is_said_again(device: Device) -> None:
    agent = device.start_agent()
    device.play(agent, 250.0)

    assert len(device.server.hellos) == 4


def test_an_answered_hello_is_repeated_at_the_heartbeat_only(device: Device) -> None:
    device.assign()
    agent = device.start_agent()
    device.play(agent, 280.0)
    assert len(device.server.hellos) == 1

    device.play(agent, 60.0)

    assert len(device.server.hellos) == 2


def test_a_hint_of_newer_metadata_is_answered_by_a_hello(device: Device) -> None:
    device.assign()
    agent = device.start_agent()
    device.play(agent, 1.0)
    agent.post(TrustHintArrived(TrustHint(image_timestamp=9, director_root=1, halt_epoch=0)))

    device.play(agent, 6.0)

    assert len(device.server.hellos) == 2


def test_hello_says_what_runs_and_claims_nothing_that_does_not(device: Device) -> None:
    agent = device.start_agent()
    device.play(agent, 1.0)
    device.application.process = None
    agent.post(Connected())
    device.play(agent, 1.0)

    first, second = (hello.components[0] for hello in device.server.hellos)

    assert (first.slot, first.release, first.digest) == (SlotName.A, "1.0", device.digest("1.0"))
    assert (second.slot, second.release, second.digest) == (None, None, None)
    assert second.slots["A"].state is SlotState.GOOD
    assert [hello.seq for hello in device.server.hellos] == [1, 2]


def test_an_application_that_died_after_the_hello_is_told_with_the_next_sample_and_not_at_the_heartbeat(
    device: Device,
) -> None:
    device.assign()
    agent = device.start_agent()
    device.play(agent, 1.0)
    device.application.process = None
    device.application.tend = lambda: None  # type: ignore[method-assign]  # it stays dead

    device.play(agent, 30.0)

    assert [hello.components[0].digest for hello in device.server.hellos] == [device.digest("1.0"), None]


def test_telemetry_is_sampled_marked_numbered_and_sent(device: Device) -> None:
    agent = device.start_agent()

    device.play(agent, 35.0)

    assert [batch.batch for batch in device.server.batches] == [1, 2, 3, 4]
    assert device.server.batches[0].samples[0].digest == device.digest("1.0")


def test_requests_are_answered(device: Device) -> None:
    agent = device.start_agent()
    for kind in RequestKind:
        agent.post(RequestArrived(Request(kind.value, kind, 10)))

    device.play(agent, 1.0)

    texts = {r.id: r.text for r in device.server.responses}
    assert texts["logs"] == "the last words"
    assert texts["doctor"] == "all is well"
    assert '"state":"idle"' in texts["diagnostics"]


# --- the switch and the trial -----------------------------------------------------------------------------------------


def test_a_switch_without_effect_fails_after_three_and_leaves_the_old_release_running(device: Device) -> None:
    device.boot_control.ignores_switches = True
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.FAILED, "switch_had_no_effect")
    assert device.running_version() == "1.0"
    assert set(device.application.starts) == {"1.0"}


def test_a_release_that_cannot_be_started_is_reverted(device: Device) -> None:
    device.application.will_not_start = {"1.1"}
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REVERTED, "boot_failed")
    assert device.running_version() == "1.0"


def test_an_application_that_keeps_dying_in_probation_is_reverted_after_its_tries(device: Device) -> None:
    agent = reach(device, S.PROBATION)

    for _ in range(device.max_starts):
        device.application.process = None
        device.play(agent, 20.0, lambda: device.application.process is not None)
        device.play(agent, 1.5)
    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REVERTED, "too_many_tries")
    assert device.application.starts.count("1.1") == device.max_starts


def test_checks_that_never_answer_are_no_health(device: Device) -> None:
    device.health.silent = {"1.1"}
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device)[1] is Outcome.REVERTED


def guard_goes_back(device: Device) -> None:
    """What the guard does, in its order."""
    device.trials.decide("a-1", 1, Verdict.GUARD, "no_verdict")
    SymlinkBoot.set_primary(device.boot_control, SlotName.A)
    SymlinkBoot.set_state(device.boot_control, SlotName.B, SlotState.BAD)
    device.application.start(SlotName.A, device.manifests["1.0"])
    device.trials.finish("a-1", 1)


@pytest.mark.parametrize("state", [S.ARMED, S.SWITCHING, S.PROBATION, S.COMMITTING])
def test_an_agent_that_thaws_after_the_guard_acted_neither_switches_nor_commits(
    device: Device, state: AttemptState
) -> None:
    lanes = HeldLanes()
    before = {S.ARMED: S.STAGED, S.SWITCHING: S.STAGED, S.PROBATION: S.PROBATION, S.COMMITTING: S.PROBATION}[state]
    agent = device.start_agent(lanes)
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is before)
    lanes.hold = True
    while agent.record.state is not state:
        device.play(agent, 0.25)
        if agent.record.state in (S.STAGED, S.ARMED) and agent.record.state is not state:
            lanes.let_go_one()
    if state is S.ARMED:
        device.trials.arm(effects._trial(device.hands(), agent.record))

    guard_goes_back(device)
    starts = len(device.application.starts)
    lanes.let_go()
    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REVERTED, "no_verdict")
    assert device.running_version() == device.linked_version() == "1.0"
    assert device.application.starts[starts:] == []


def test_an_agent_that_slept_through_its_budget_reverts_even_without_a_guard(device: Device) -> None:
    agent = reach(device, S.PROBATION)

    device.world.now += 3600.0
    device.run_until_idle(agent)

    assert outcome(device)[1] is Outcome.REVERTED
    assert device.running_version() == "1.0"


def test_a_restart_of_the_agent_alone_in_probation_goes_on_and_commits(device: Device) -> None:
    reach(device, S.PROBATION)
    starts = list(device.application.starts)

    device.run_until_idle(device.start_agent())

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)
    assert device.application.starts == starts


def test_the_guards_verdict_is_noticed_at_start_up(device: Device) -> None:
    reach(device, S.PROBATION)
    guard_goes_back(device)

    device.run_until_idle(device.start_agent())

    assert outcome(device) == ("a-1", Outcome.REVERTED, "no_verdict")


# --- start-up ---------------------------------------------------------------------------------------------------------


def test_the_first_start_begins_the_provisioned_release_and_remembers_it(device: Device) -> None:
    agent = device.start_agent()
    device.play(agent, 1.0)

    assert device.running_version() == "1.0"
    assert agent.record.committed is not None
    assert agent.record.committed.digest == device.digest("1.0")


def in_trial(device: Device, agent: Runner) -> None:
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    device.play(agent, 1.5)
    assert agent.record.state is S.PROBATION


def test_five_power_cuts_in_a_trial_do_not_cost_a_good_release(device: Device) -> None:
    agent = reach(device, S.PROBATION)
    for _ in range(5):
        in_trial(device, agent)
        device.cut_power()
        agent = device.start_agent()

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


@pytest.mark.parametrize("cause", [Cause.PANIC, Cause.WATCHDOG])
def test_a_machine_that_fails_twice_under_a_release_goes_back_and_says_how(device: Device, cause: Cause) -> None:
    agent = reach(device, S.PROBATION)
    for _ in range(2):
        in_trial(device, agent)
        device.restart(cause)
        agent = device.start_agent()

    device.run_until_idle(agent)

    told = next(x for x in device.server.events.values() if x.kind is EventKind.OUTCOME)
    assert outcome(device) == ("a-1", Outcome.REVERTED, "too_many_tries")
    assert told.report is not None
    assert (told.report.cause, told.report.reset_cause, told.report.start) == (cause.value, cause.value, 2)
    assert device.running_version() == "1.0"


def test_power_cuts_without_end_do_end_the_trial(device: Device) -> None:
    agent = reach(device, S.PROBATION)
    for _ in range(6):
        in_trial(device, agent)
        device.cut_power()
        agent = device.start_agent()

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REVERTED, "too_many_tries")


def test_a_release_committed_and_left_later_is_reported_and_no_longer_claimed(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(agent)
    SymlinkBoot.set_primary(device.boot_control, SlotName.A)
    device.cut_power()

    again = device.start_agent()
    device.play(again, 2.0)

    assert [e.kind for e in device.server.events.values()][-1] is EventKind.FELL_BACK
    assert device.running_version() == "1.0"
    assert device.server.hellos[-1].components[0].digest == device.digest("1.0")


def test_an_unreadable_journal_makes_the_agent_report_and_nothing_else(device: Device) -> None:
    device.start_agent()
    assert device.journal is not None
    device.journal.close()  # type: ignore[operator]
    for file in device.folder.glob("journal.db*"):
        file.write_bytes(b"rot" * 4000)
    device.journal = None
    device.assign(device.wish("1.1", "a-1"))

    agent = device.start_agent()
    device.play(agent, 120.0)

    assert agent.record.state is S.RESCUE
    assert [e.reason for e in device.server.events.values() if e.kind is EventKind.NOTICE] == ["journal_unreadable"]
    assert device.server.hellos[-1].components[0].state is S.RESCUE
    assert device.running_version() == "1.0"
    assert device.downloader.fetched == []


def test_a_disk_that_takes_no_write_is_told_nothing_is_begun_and_the_application_runs(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.play(device.start_agent(), 1.0)
    device.cut_power()
    full_disk(device, monkeypatch)
    device.assign(device.wish("1.1", "a-1"))

    agent = device.start_agent()
    device.play(agent, 120.0)

    assert agent.record.state is S.IDLE
    assert [e.reason for e in device.server.events.values() if e.kind is EventKind.NOTICE] == ["no_space"]
    assert device.running_version() == "1.0"
    assert device.downloader.fetched == []


def test_a_probation_that_cannot_be_remembered_is_left_to_the_guard(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    full_disk(device, monkeypatch)

    again = device.start_agent()
    device.play(again, 300.0)

    assert again.record.state is S.PROBATION
    assert device.linked_version() == "1.1"
    assert [e.reason for e in device.server.events.values() if e.kind is EventKind.NOTICE] == ["no_space"]


def test_what_a_healthy_verdict_could_not_say_is_told_with_the_commit(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    doubt = "Wanted check fps fails: 3 frames a second."
    monkeypatch.setattr("surefoot_agent.attempt.event_of", lambda verdict: e.Healthy(verdict.soak_s, doubt))

    device.run_until_idle(agent)

    ended = [event for event in device.server.events.values() if event.kind is EventKind.OUTCOME]
    assert [(event.outcome, event.message) for event in ended] == [(Outcome.COMMITTED, doubt)]
    assert agent.record.doubt == ""


def full_disk(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its next start on the journal takes no write."""
    (device.folder / "journal.db.reserve").unlink()
    monkeypatch.setattr(journal, "_probe", refuse_room)
    monkeypatch.setattr(journal, "_fill", lambda reserve: None)


def refuse_room(connection: sqlite3.Connection) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_damaged_link_is_rescued_to_the_committed_slot(device: Device) -> None:
    agent = device.start_agent()
    device.play(agent, 1.0)
    (device.component_dir / "current").unlink()
    device.cut_power()

    again = device.start_agent()
    device.play(again, 700.0, lambda: again.record.state is S.IDLE)

    assert device.linked_version() == device.running_version() == "1.0"
    assert S.RESCUE in [e.state for e in device.server.events.values()]


# --- orders on the device ---------------------------------------------------------------------------------------------


def ask(device: Device, agent: Runner, verb: Verb) -> dict[str, object]:
    order = Order(verb)
    agent.post(order)
    agent.drain()
    return dict(order.answers.get_nowait())


def test_a_person_can_end_the_soak_early_but_not_before_the_checks_are_steady(device: Device) -> None:
    device.health.silent = {"1.1"}
    agent = reach(device, S.PROBATION)
    assert ask(device, agent, Verb.COMMIT)["ok"] is False

    device.health.silent = set()
    device.play(agent, 3.0)
    assert ask(device, agent, Verb.COMMIT)["ok"] is True
    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


def test_a_person_can_order_a_release_on_trial_back_and_only_that(device: Device) -> None:
    agent = reach(device, S.PROBATION)
    assert ask(device, agent, Verb.REVERT)["ok"] is True
    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REVERTED, "reverted_by_order")
    assert ask(device, agent, Verb.REVERT)["kind"] == "conflict"


def test_a_lock_holds_the_switch_until_it_is_lifted(device: Device) -> None:
    agent = device.start_agent()
    ask(device, agent, Verb.LOCK)
    device.assign(device.wish("1.1", "a-1"))
    agent.post(Connected())
    device.play(agent, 60.0)
    assert agent.record.state is S.STAGED
    status = ask(device, agent, Verb.STATUS)["status"]
    assert isinstance(status, dict)
    assert status["locked"] is True

    ask(device, agent, Verb.UNLOCK)
    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


# --- the loop ---------------------------------------------------------------------------------------------------------


def test_a_bug_in_a_worker_ends_the_agent(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.trust, "halt", lambda raw: 1 / 0)
    agent = device.start_agent()
    agent.post(HaltArrived(b"x"))

    with pytest.raises(ZeroDivisionError):
        agent.drain()


def test_a_result_that_belongs_to_a_state_already_left_is_dropped(device: Device) -> None:
    device.server.leases = False
    agent = reach(device, S.DOWNLOADING)
    device.assign()
    agent.post(Connected())
    agent.post(LeaseArrived(Lease("a-1", (Source("https://x/", "t"),), 600.0)))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.CANCELLED, "cancelled_by_order")


@pytest.mark.slow
def test_the_loop_runs_in_real_time_with_workers_and_ends_when_told(device: Device) -> None:
    device.world.monotonic = time.monotonic  # type: ignore[method-assign]
    agent = device.start_agent(ThreadLanes())
    device.assign(device.wish("1.1", "a-1"))
    stop = threading.Event()
    loop = threading.Thread(target=agent.run, args=(stop,))
    loop.start()
    try:
        until(lambda: device.server.outcomes(), "the outcome", 60.0)
    finally:
        stop.set()
        loop.join(timeout=10)

    assert not loop.is_alive()
    assert outcome(device) == ("a-1", Outcome.COMMITTED, None)


# --- without a broker -------------------------------------------------------------------------------------------------


class Desert:
    """A server that is reached over HTTPS alone; asked so often."""

    def __init__(self, bundle: bytes, lease: Lease | None) -> None:
        self.bundle, self.lease, self.asked = bundle, lease, 0

    def request(self) -> bytes:
        self.asked += 1
        return b"sealed"

    def send(self, request: bytes) -> Pulled:
        return Pulled(self.bundle, self.lease)


def test_while_the_broker_is_away_bundle_and_lease_come_over_https(device: Device) -> None:
    device.server.online = device.server.leases = False
    bundle = device.assign(device.wish("1.1", "a-1"))
    desert = Desert(bundle, Lease("a-1", (Source("https://x/", "t"),), 600.0))
    device.puller = desert
    agent = device.start_agent()
    agent.post(Disconnected("unreachable", "gone"))

    device.play(agent, 2000.0, lambda: agent.record.ended is not None)

    assert device.running_version() == "1.1"
    asked = desert.asked
    agent.post(Connected())
    device.play(agent, 4000.0)
    assert desert.asked == asked


def test_a_server_that_cannot_be_reached_over_https_either_is_asked_again_later(device: Device) -> None:
    class Nowhere(Desert):
        def send(self, request: bytes) -> Pulled:
            raise Unreachable("unreachable", "gone")

    device.server.online = False
    device.puller = nowhere = Nowhere(b"", None)
    agent = device.start_agent()
    agent.post(Disconnected("unreachable", "gone"))

    device.play(agent, 3700.0)

    assert nowhere.asked == 4


def test_a_bundle_from_a_medium_is_verified_and_installed_from_it_without_any_server(
    device: Device, tmp_path: Path
) -> None:
    device.server.online = device.server.leases = False
    raw = pack(Bundle("cam-1"))
    device.trust.decisions[raw] = device.trust.decisions[device.assign(device.wish("1.1", "a-1"))]
    stick = tmp_path / "stick"
    (stick / "blobs").mkdir(parents=True)
    (stick / "cam-1.bundle").write_bytes(raw)
    agent = device.start_agent()
    agent.post(Disconnected("unreachable", "gone"))

    order = Order(Verb.APPLY, str(stick / "cam-1.bundle"), str(stick))
    agent.post(order)
    device.play(agent, 200.0, lambda: agent.record.ended is not None)

    answer = order.answers.get_nowait()
    assert (answer["ok"], answer["wanted"]) == (True, ["app/1.1"])
    assert device.running_version() == "1.1"
    assert device.downloader.leases[-1].sources == (Source(stick.as_uri(), ""),)


def test_a_medium_joins_the_servers_sources_and_is_asked_first(device: Device, tmp_path: Path) -> None:
    (tmp_path / "stick" / "blobs").mkdir(parents=True)
    device.server.leases = False
    agent = reach(device, S.DOWNLOADING)
    raw = pack(Bundle("cam-1"))
    (tmp_path / "stick" / "b").write_bytes(raw)
    device.trust.decisions[raw] = device.trust.decisions[device.server.bundle or b""]
    agent.post(Order(Verb.APPLY, str(tmp_path / "stick" / "b"), str(tmp_path / "stick")))
    agent.post(LeaseArrived(Lease("a-1", (Source("https://x/", "t"),), 600.0)))

    device.run_until_idle(agent)

    assert device.downloader.leases[-1].sources == (
        Source((tmp_path / "stick").as_uri(), ""),
        Source("https://x/", "t"),
    )


def test_a_medium_whose_bundle_cannot_be_read_is_told_and_changes_nothing(device: Device, tmp_path: Path) -> None:
    agent = device.start_agent()

    order = Order(Verb.APPLY, str(tmp_path / "absent"), str(tmp_path))
    agent.post(order)
    device.play(agent, 5.0)

    assert order.answers.get_nowait()["kind"] == "config_unreadable"
    assert "config_unreadable" in {event.reason for event in device.server.events.values()}
    assert agent.record.state is S.IDLE


def test_a_medium_whose_bundle_is_not_trusted_is_answered_with_the_reason(device: Device, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(pack(Bundle("cam-1")))
    agent = device.start_agent()

    order = Order(Verb.APPLY, str(tmp_path / "b"), str(tmp_path))
    agent.post(order)
    device.play(agent, 5.0)

    answer = order.answers.get_nowait()
    assert (answer["ok"], answer["kind"], answer["untrusted"]) == (False, "metadata_untrusted", True)


def test_a_medium_whose_release_is_refused_is_answered_with_the_reason(device: Device, tmp_path: Path) -> None:
    refused = Refusal("a-1", "app", 1, "wrong_hardware", "It is not made for this hardware.")
    raw = pack(Bundle("cam-1"))
    device.trust.decisions[raw] = device.trust.decisions[device.assign(refusals=(refused,))]
    (tmp_path / "b").write_bytes(raw)
    agent = device.start_agent()

    order = Order(Verb.APPLY, str(tmp_path / "b"), str(tmp_path))
    agent.post(order)
    device.play(agent, 5.0)

    answer = order.answers.get_nowait()
    assert (answer["ok"], answer["kind"], answer["untrusted"]) == (False, "wrong_hardware", True)


def test_metadata_that_grew_old_is_told_once(device: Device) -> None:
    agent = device.start_agent()
    device.trust.olds = [Old("stale_metadata", "app: nothing newer was signed.")]

    device.play(agent, 3 * 3600.0)

    assert [e.reason for e in device.server.events.values()].count("stale_metadata") == 1


# --- the first release of a device that never had one -----------------------------------------------------------------


@pytest.fixture
def empty(device: Device) -> Device:
    device.slots.clear(SlotName.A)
    device.boot_control.set_state(SlotName.A, SlotState.EMPTY)
    return device


def test_a_device_without_a_release_takes_its_first_one(empty: Device) -> None:
    agent = empty.start_agent()
    empty.assign(empty.wish("1.1", "a-1"))

    empty.run_until_idle(agent)

    assert outcome(empty) == ("a-1", Outcome.COMMITTED, None)
    assert empty.running_version() == empty.linked_version() == "1.1"
    assert not empty.desk().status(agent.record).previous_kept


def test_an_unhealthy_first_release_leaves_the_device_as_empty_as_it_was(empty: Device) -> None:
    empty.health.sick = {"1.1"}
    agent = empty.start_agent()
    empty.assign(empty.wish("1.1", "a-1"))

    empty.run_until_idle(agent)

    assert outcome(empty) == ("a-1", Outcome.REVERTED, "health_failed")
    assert (empty.running_version(), empty.application.starts) == (None, ["1.1"])
    assert empty.boot_control.current() is SlotName.A
    assert empty.boot_control.state(SlotName.B) is SlotState.BAD


def test_a_damaged_way_back_is_refused_and_not_blamed_on_the_release(device: Device) -> None:
    device.slots.clear(SlotName.A)
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(agent)

    assert outcome(device) == ("a-1", Outcome.REFUSED, "slot_corrupt")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("The director metadata does not move on: New timestamp version 3 must be >= 4", EventKind.NOTICE),
        ("The stored chain of director roots is incomplete.", EventKind.SECURITY),
    ],
)
def test_an_older_copy_from_the_broker_is_a_notice_and_a_broken_chain_is_not(
    device: Device, monkeypatch: pytest.MonkeyPatch, message: str, kind: EventKind
) -> None:
    def refuse(_: bytes) -> None:
        raise UntrustedRelease("metadata_rollback", message)

    monkeypatch.setattr(device.trust, "decide", refuse)
    agent = device.start_agent()
    agent.post(BundleArrived(b"old"))

    device.play(agent, 5.0)

    assert [e.kind for e in device.server.events.values() if e.reason == "metadata_rollback"] == [kind]
