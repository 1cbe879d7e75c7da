"""Each promise can be broken: what is missing, wrong, or not seen by both witnesses is not taken for kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from surefoot_simulators.demo import promises
from surefoot_simulators.demo.disk import DeviceOnDisk, SlotOnDisk
from surefoot_simulators.demo.seen import Broken, Killed, Moment, SeenAssignment, SeenDevice, SeenPhase, SeenRollout

HARDWARE = {
    "cam-01": "jetson",
    "cam-02": "rpi5",
    "cam-03": "x86",
    "cam-04": "jetson",
    "cam-05": "rpi5",
    "cam-06": "x86",
}
CANARIES = ("cam-01", "cam-02", "cam-03")
FROZE = "Check camera: 20 of 20 are frozen frames (2 of 3 looks failed)"


def on_disk(version: str, slot: str = "A", start_id: str = "s1", *, whole: bool = True) -> DeviceOnDisk:
    other = "B" if slot == "A" else "A"
    slots = {slot: SlotOnDisk(version, f"d-{version}", whole), other: SlotOnDisk(None, None, False)}
    return DeviceOnDisk(slot, slots, slot, start_id, 1)


def device(name: str, version: str, slot: str = "A") -> SeenDevice:
    return SeenDevice(name, HARDWARE[name], True, version, f"d-{version}", slot, "idle")


def moment(version: str, slot: str = "A", changed: Mapping[str, str] | None = None) -> Moment:
    versions = {name: (changed or {}).get(name, version) for name in HARDWARE}
    return Moment(
        {name: device(name, v, slot) for name, v in versions.items()},
        {name: on_disk(v, slot) for name, v in versions.items()},
    )


def good_rollout() -> SeenRollout:
    updates = tuple(
        SeenAssignment(
            name,
            "1.1",
            "update",
            "idle",
            phase=0 if name in CANARIES else 1,
            outcome="committed",
            offered_at="10:00" if name in CANARIES else "10:01",
            proved_digest="d-1.1",
            proved_slot="B",
            soak_s=10.2,
        )
        for name in HARDWARE
    )
    phases = (SeenPhase("canary", "passed", 3), SeenPhase("all", "passed", 3))
    return SeenRollout("r1", "1.1", "succeeded", "", phases, updates)


def bad_rollout() -> SeenRollout:
    updates = [
        SeenAssignment(name, "1.2", "update", "idle", 0, "reverted", "reverted_by_order", offered_at="11:00")
        for name in CANARIES
    ]
    updates[1] = replace(updates[1], reason="health_failed", message=FROZE)
    phases = (SeenPhase("canary", "failed", 3), SeenPhase("all", "pending", 3))
    return SeenRollout("r2", "1.2", "failed", "1 of 3 reverted", phases, tuple(updates))


def change(rollout: SeenRollout, name: str, **values: object) -> SeenRollout:
    made = tuple(replace(a, **values) if a.device == name else a for a in rollout.assignments)  # type: ignore[arg-type]
    return replace(rollout, assignments=made)


def test_a_fleet_on_which_both_witnesses_agree_keeps_its_promise() -> None:
    assert promises.runs_everywhere("p", moment("1.0"), "1.0", 6).kept


def test_one_offline_device_breaks_it() -> None:
    now = moment("1.0")
    devices = {**now.devices, "cam-02": replace(now.devices["cam-02"], online=False)}

    finding = promises.runs_everywhere("p", Moment(devices, now.disks), "1.0", 6)

    assert (finding.kept, finding.seen) == (False, "cam-02 is offline")


@pytest.mark.parametrize(
    "disk",
    [
        on_disk("0.9"),
        on_disk("1.0", whole=False),
        replace(on_disk("1.0"), runs_from="B"),
        replace(on_disk("1.0"), applications=2),
        replace(on_disk("1.0"), slots={"A": SlotOnDisk("1.0", "other", True), "B": SlotOnDisk(None, None, False)}),
    ],
)
def test_a_disk_that_contradicts_the_server_breaks_it(disk: DeviceOnDisk) -> None:
    now = moment("1.0")

    assert not promises.runs_everywhere("p", Moment(now.devices, {**now.disks, "cam-04": disk}), "1.0", 6).kept


def test_a_device_that_the_server_does_not_know_breaks_it() -> None:
    assert not promises.runs_everywhere("p", moment("1.0"), "1.0", 7).kept


def test_a_canary_of_each_hardware_before_the_others_is_seen() -> None:
    assert promises.canaries_first(good_rollout(), HARDWARE).kept


def test_a_hardware_without_a_canary_is_named() -> None:
    finding = promises.canaries_first(change(good_rollout(), "cam-02", phase=1, offered_at="10:01"), HARDWARE)

    assert (finding.kept, finding.seen) == (False, "no canary of rpi5")


def test_an_offer_before_the_canaries_breaks_it() -> None:
    assert not promises.canaries_first(change(good_rollout(), "cam-06", offered_at="10:00"), HARDWARE).kept


def test_a_rollout_of_canaries_only_proves_no_order() -> None:
    rollout = good_rollout()
    canaries = replace(rollout, assignments=tuple(a for a in rollout.assignments if a.phase == 0))

    assert not promises.canaries_first(canaries, HARDWARE).kept


def test_committed_with_a_proof_that_matches_the_disk_is_kept() -> None:
    finding = promises.committed_with_proof(good_rollout(), moment("1.1", "B"), 10.0)

    assert (finding.kept, finding.seen) == (True, "6 of 6, shortest soak 10.2 s")


@pytest.mark.parametrize(
    "values",
    [
        {"outcome": None, "state": "probation"},
        {"outcome": "reverted"},
        {"proved_digest": None},
        {"proved_slot": "A"},
        {"soak_s": 4.0},
    ],
)
def test_install_finished_is_not_enough(values: Mapping[str, object]) -> None:
    rollout = change(good_rollout(), "cam-03", **values)

    assert not promises.committed_with_proof(rollout, moment("1.1", "B"), 10.0).kept


def test_a_rollout_that_did_not_end_well_breaks_it() -> None:
    rollout = replace(good_rollout(), state="held", reason="no data")

    assert "held" in promises.committed_with_proof(rollout, moment("1.1", "B"), 10.0).seen


def test_a_killed_device_that_runs_one_of_the_two_releases_whole_came_back() -> None:
    killed = Killed("cam-05", "A", "B", "switching", "A")

    assert promises.killed_came_back(killed, moment("1.1", "B"), ("1.0", "1.1")).kept


def test_a_killed_device_that_runs_nothing_whole_did_not() -> None:
    now = moment("1.1", "B")
    disks = {**now.disks, "cam-05": on_disk("1.1", "B", whole=False)}

    assert not promises.killed_came_back(
        Killed("cam-05", "A", "B", "switching", "B"), Moment(now.devices, disks), ("1.1",)
    ).kept


def test_a_killed_device_that_claims_what_it_does_not_run_did_not() -> None:
    now = moment("1.1", "B")
    disks = {**now.disks, "cam-05": on_disk("1.0", "A")}

    finding = promises.killed_came_back(
        Killed("cam-05", "A", "B", "switching", "B"), Moment(now.devices, disks), ("1.0", "1.1")
    )

    assert finding.seen == "cam-05 says 1.1 and runs 1.0"


def test_a_kill_before_or_after_the_switch_proves_nothing() -> None:
    early = Killed("cam-05", "A", "B", "downloading", "A")

    assert not promises.killed_came_back(early, moment("1.1", "B"), ("1.0", "1.1")).kept


def test_nobody_killed_is_no_proof() -> None:
    assert not promises.killed_came_back(None, moment("1.1"), ("1.1",)).kept


def test_frozen_frames_are_the_reason() -> None:
    finding = promises.reverted_by_themselves(bad_rollout(), moment("1.1"), HARDWARE, "rpi5")

    assert (finding.kept, finding.seen) == (True, "cam-02: Check camera: 20 of 20 are frozen frames")


@pytest.mark.parametrize(
    "values",
    [
        {"outcome": "committed", "reason": None},
        {"reason": "reverted_by_order"},
        {"reason": "no_verdict"},
        {"message": "Check camera: 3 fps"},
    ],
)
def test_another_end_or_reason_breaks_it(values: Mapping[str, object]) -> None:
    rollout = change(bad_rollout(), "cam-02", **values)

    assert not promises.reverted_by_themselves(rollout, moment("1.1"), HARDWARE, "rpi5").kept


def test_a_device_that_still_runs_the_bad_release_breaks_it() -> None:
    now = moment("1.1", changed={"cam-02": "1.2"})

    assert not promises.reverted_by_themselves(bad_rollout(), now, HARDWARE, "rpi5").kept


def test_no_canary_of_the_bad_hardware_proves_nothing() -> None:
    assert not promises.reverted_by_themselves(bad_rollout(), moment("1.1"), HARDWARE, "mips").kept


def test_a_rollout_that_failed_in_its_first_phase_stopped() -> None:
    assert promises.stopped_in_first_phase(bad_rollout()).kept


@pytest.mark.parametrize(("state", "second"), [("running", "pending"), ("failed", "offering"), ("succeeded", "passed")])
def test_a_rollout_that_went_on_did_not_stop(state: str, second: str) -> None:
    phases = (SeenPhase("canary", "failed", 3), SeenPhase("all", second, 3))

    assert not promises.stopped_in_first_phase(replace(bad_rollout(), state=state, phases=phases)).kept


def test_healthy_canaries_that_run_the_old_release_by_order_went_back() -> None:
    finding = promises.healthy_went_back(bad_rollout(), moment("1.1"), HARDWARE, "rpi5", "1.1")

    assert (finding.kept, finding.seen) == (True, "cam-01, cam-03 run 1.1 again")


def test_a_healthy_canary_left_on_the_bad_release_breaks_it() -> None:
    now = moment("1.1", changed={"cam-03": "1.2"})

    assert not promises.healthy_went_back(bad_rollout(), now, HARDWARE, "rpi5", "1.1").kept


def test_a_healthy_canary_that_nobody_told_breaks_it() -> None:
    rollout = change(bad_rollout(), "cam-01", reason="health_failed")

    assert "never told" in promises.healthy_went_back(rollout, moment("1.1"), HARDWARE, "rpi5", "1.1").seen


def test_an_order_to_go_back_from_a_committed_release_counts_as_told() -> None:
    rollout = change(bad_rollout(), "cam-01", outcome="committed", reason=None)
    order = SeenAssignment("cam-01", "1.1", "revert", "idle", None, "committed")
    rollout = replace(rollout, assignments=(*rollout.assignments, order))

    assert promises.healthy_went_back(rollout, moment("1.1"), HARDWARE, "rpi5", "1.1").kept


def test_the_others_with_the_same_slots_and_process_are_untouched() -> None:
    assert promises.nobody_else_touched(bad_rollout(), moment("1.1"), moment("1.1")).kept


def test_a_restarted_application_was_touched() -> None:
    now = moment("1.1")
    disks = {**now.disks, "cam-06": on_disk("1.1", start_id="s2")}

    finding = promises.nobody_else_touched(bad_rollout(), moment("1.1"), Moment(now.devices, disks))

    assert (finding.kept, finding.seen) == (False, "the application of cam-06 was restarted")


def test_a_prefetched_slot_was_touched() -> None:
    now = moment("1.1")
    slots = {**now.disks["cam-04"].slots, "B": SlotOnDisk("1.2", "d-1.2", True)}
    disks = {**now.disks, "cam-04": replace(now.disks["cam-04"], slots=slots)}

    assert not promises.nobody_else_touched(bad_rollout(), moment("1.1"), Moment(now.devices, disks)).kept


def test_a_withdrawn_assignment_is_a_touch_all_the_same() -> None:
    extra = SeenAssignment("cam-05", "1.2", "update", "offered", 1, "cancelled")
    rollout = replace(bad_rollout(), assignments=(*bad_rollout().assignments, extra))

    assert not promises.nobody_else_touched(rollout, moment("1.1"), moment("1.1")).kept


def broken() -> Broken:
    return Broken("cam-04", "1.1", "B", on_disk("1.1", "A"), "bad", "guard", 12)


def test_a_guard_that_brought_the_old_release_back_is_seen_on_disk() -> None:
    assert promises.guard_brought_back(broken()).kept


@pytest.mark.parametrize(
    "values",
    [
        {"disk": on_disk("1.3", "B")},
        {"disk": replace(on_disk("1.1", "A"), applications=0)},
        {"new_slot_state": "good"},
        {"trial_verdict": "None"},
        {"failed_starts": 0},
    ],
)
def test_a_guard_that_did_half_of_it_did_not(values: Mapping[str, object]) -> None:
    assert not promises.guard_brought_back(replace(broken(), **values)).kept  # type: ignore[arg-type]


def test_no_switch_caught_is_no_proof_of_a_guard() -> None:
    assert not promises.guard_brought_back(None).kept


@pytest.mark.parametrize(
    ("outcome", "reason", "kept"),
    [
        ("reverted", "no_verdict", True),
        ("lost", "lost", False),
        ("reverted", "health_failed", False),
        (None, None, False),
    ],
)
def test_the_mended_agent_must_say_what_the_guard_did(outcome: str | None, reason: str | None, kept: bool) -> None:
    rollout = SeenRollout(
        "r3", "1.3", "failed", "", (), (SeenAssignment("cam-04", "1.3", "update", "idle", 0, outcome, reason),)
    )

    assert promises.mended_reported(rollout, "cam-04").kept is kept


def test_a_device_that_was_never_offered_it_reported_nothing() -> None:
    assert not promises.mended_reported(SeenRollout("r3", "1.3", "failed", "", ()), "cam-04").kept


def test_an_unsigned_release_that_was_accepted_breaks_the_promise() -> None:
    assert promises.unsigned_refused(8, ["1.0"], "9.9").kept
    assert not promises.unsigned_refused(0, ["1.0"], "9.9").kept
    assert not promises.unsigned_refused(8, ["1.0", "9.9"], "9.9").kept


def test_time_is_a_promise() -> None:
    assert promises.in_time(239.0, 240.0).kept
    assert not promises.in_time(241.0, 240.0).kept


def test_what_the_story_did_not_come_to_is_broken() -> None:
    seen = [promises.in_time(10.0, 240.0)]

    rest = promises.not_seen(seen, "the server did not start")

    assert {f.promised for f in (*seen, *rest)} == set(promises.ALL)
    assert not any(f.kept for f in rest)


def test_a_long_list_of_faults_is_cut_and_counted() -> None:
    finding = promises.runs_everywhere("p", moment("1.0"), "1.1", 6)

    assert finding.seen.endswith("(and 4 more)")
