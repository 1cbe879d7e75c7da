"""Each promise of the demonstration as a check over what was seen: a sentence, what was found, and whether it was kept.

Pure: values in, findings out. A promise is kept only on positive evidence; what nobody saw counts as broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from surefoot_simulators.demo.disk import DeviceOnDisk
from surefoot_simulators.demo.seen import (
    Broken,
    Finding,
    Killed,
    Moment,
    SeenAssignment,
    SeenDevice,
    SeenRollout,
)

ENROLLED = "Every device runs the first release from its enrolment on"
CANARY_FIRST = "A canary of every hardware goes first, the others only after it"
COMMITTED = "The update is committed everywhere, proved from the new slot after its soak"
KILLED = "An agent killed with its application in the middle of the switch comes back whole"
FROZEN = "A release that freezes frames is reverted by the devices themselves, with that reason"
STOPPED = "The bad rollout fails in its first phase and stops"
WENT_BACK = "The healthy canaries go back too, as the policy says"
UNTOUCHED = "Nobody else is touched by the bad release"
GUARDED = "Where the agent cannot start, the guard brings the old release back"
REPORTED = "The mended agent reports what the guard did"
REACHABLE = "At the end every device is online and runs one whole, known release"
UNSIGNED = "A release that nobody signed is refused"
IN_TIME = "All of it within the stated time"

ALL = (
    ENROLLED,
    UNSIGNED,
    CANARY_FIRST,
    KILLED,
    COMMITTED,
    FROZEN,
    STOPPED,
    WENT_BACK,
    UNTOUCHED,
    GUARDED,
    REPORTED,
    REACHABLE,
    IN_TIME,
)
VERIFICATION_FAILED = 8
"""The command line's exit code where signatures do not allow what was asked."""
MIDDLE = ("armed", "switching", "probation")
"""States of the journal in which a trial is open."""


def runs_everywhere(promised: str, moment: Moment, version: str, count: int) -> Finding:
    """API and disk agree: this release, whole, in the slot that runs, on `count` devices, all of them online."""
    broken = [p for d in moment.devices.values() if (p := _not_running(d, moment.disks.get(d.id), version))]
    if len(moment.devices) != count:
        broken.append(f"the server knows {len(moment.devices)} devices")
    return _finding(promised, broken, f"{count} of {count} run {version}, by API and by disk")


def canaries_first(rollout: SeenRollout, hardware: Mapping[str, str]) -> Finding:
    """Phase 0 has each hardware, and no other phase was offered anything before all of phase 0 had ended."""
    canaries = [a for a in rollout.updates() if a.phase == 0]
    others = [a for a in rollout.updates() if a.phase != 0]
    covered = {hardware[a.device] for a in canaries}
    broken = [f"no canary of {hw}" for hw in sorted(set(hardware.values()) - covered)]
    last = max((a.offered_at for a in canaries), default="")
    broken += [f"{a.device} was offered it before the canaries" for a in others if a.offered_at <= last]
    if not others:
        broken.append("no phase came after the canary")
    if len(canaries) >= len(hardware):
        broken.append("every device was a canary")
    return _finding(CANARY_FIRST, broken, f"{_names(a.device for a in canaries)}, then {len(others)} others")


def committed_with_proof(rollout: SeenRollout, moment: Moment, soak_s: float) -> Finding:
    """Every device committed, and its signed proof names the digest and slot that its disk shows running."""
    last = {a.device: a for a in rollout.updates()}
    broken = [p for d in moment.devices if (p := _not_proved(d, last.get(d), moment.disks.get(d), soak_s))]
    if rollout.state != "succeeded":
        broken.append(f"the rollout is {rollout.state}: {rollout.reason}")
    shortest = min((a.soak_s for a in last.values()), default=0.0)
    return _finding(COMMITTED, broken, f"{len(last)} of {len(moment.devices)}, shortest soak {shortest:.1f} s")


def killed_came_back(killed: Killed | None, moment: Moment, versions: Sequence[str]) -> Finding:
    """It was killed between trial and verdict, and afterwards runs one of the two releases whole, and says which."""
    if killed is None:
        return Finding(KILLED, "nobody was killed: no switch was caught", False)
    device, on_disk = moment.devices.get(killed.device), moment.disks.get(killed.device)
    running = on_disk.running if on_disk is not None else None
    broken = []
    if device is None or running is None or running.version not in versions:
        broken.append(f"{killed.device} does not run a whole release")
    elif running.digest != device.digest:
        broken.append(f"{killed.device} says {device.version} and runs {running.version}")
    if killed.state not in MIDDLE:
        broken.append(f"{killed.device} was killed in {killed.state}, which is not in the middle")
    runs = running.version if running is not None else "nothing whole"
    way = f"from {killed.from_slot} to {killed.to_slot}, the link at {killed.link}"
    return _finding(KILLED, broken, f"{killed.device}, killed in {killed.state} ({way}), runs {runs}")


def reverted_by_themselves(rollout: SeenRollout, moment: Moment, hardware: Mapping[str, str], bad_hw: str) -> Finding:
    """Every canary of the bad hardware reverted on its own health check, and the frozen frames are the reason."""
    bad = [a for a in rollout.updates() if hardware[a.device] == bad_hw]
    broken = [] if bad else [f"no {bad_hw} was a canary"]
    for a in bad:
        if (a.outcome, a.reason) != ("reverted", "health_failed"):
            broken.append(f"{a.device} is {a.outcome or a.state} ({a.reason})")
        elif "frozen frames" not in a.message:
            broken.append(f"{a.device} gives another reason: {a.message}")
        elif _version_on(moment.disks.get(a.device)) in (None, rollout.version):
            broken.append(f"{a.device} is not back on a whole old release")
    words = bad[0].message.partition(" (")[0] if bad else ""
    return _finding(FROZEN, broken, f"{_names(a.device for a in bad)}: {words}")


def stopped_in_first_phase(rollout: SeenRollout) -> Finding:
    states = [phase.state for phase in rollout.phases]
    broken = [] if rollout.state == "failed" else [f"the rollout is {rollout.state}"]
    if states[:1] != ["failed"] or any(state != "pending" for state in states[1:]):
        broken.append(f"phases are {', '.join(states)}")
    return _finding(STOPPED, broken, f"{rollout.state}: {rollout.reason}")


def healthy_went_back(
    rollout: SeenRollout, moment: Moment, hardware: Mapping[str, str], bad_hw: str, version: str
) -> Finding:
    """Canaries of other hardware, on which the release was fine, run the old release again because they were told."""
    healthy = sorted({a.device for a in rollout.updates() if hardware[a.device] != bad_hw})
    broken = [] if healthy else ["there was no healthy canary"]
    for device in healthy:
        if _version_on(moment.disks.get(device)) != version:
            broken.append(f"{device} does not run {version} from a whole slot")
        elif moment.devices[device].version != version:
            broken.append(f"{device} is shown as {moment.devices[device].version}")
        elif not _was_ordered_back(rollout, device):
            broken.append(f"{device} was never told to go back")
    return _finding(WENT_BACK, broken, f"{_names(healthy)} run {version} again")


def nobody_else_touched(rollout: SeenRollout, before: Moment, after: Moment) -> Finding:
    """The others: no assignment, the same slots byte for byte, and the very same process as before."""
    canaries = {a.device for a in rollout.updates() if a.phase == 0}
    others = [device for device in before.devices if device not in canaries]
    broken = [f"{device} had an assignment" for device in others if device in rollout.touched()]
    for device in others:
        old, new = before.disks[device], after.disks[device]
        if (old.slots, old.current) != (new.slots, new.current):
            broken.append(f"the slots of {device} changed")
        elif old.start_id is None or old.start_id != new.start_id:
            broken.append(f"the application of {device} was restarted")
    if not others:
        broken.append("there were no others")
    return _finding(UNTOUCHED, broken, f"{len(others)} devices: same slots, same process, no assignment")


def guard_brought_back(broken_device: Broken | None) -> Finding:
    """While no start of the agent succeeded: link, slot state and the running process are the old release's."""
    if broken_device is None:
        return Finding(GUARDED, "no switch was caught", False)
    b, running = broken_device, broken_device.disk.running
    broken = []
    if running is None or running.version != b.old_version:
        broken.append(f"{b.device} runs {running.version if running else 'nothing whole'}")
    if b.new_slot_state != "bad" or b.disk.current == b.new_slot:
        broken.append(f"slot {b.new_slot} is {b.new_slot_state}, the link is at {b.disk.current}")
    if b.trial_verdict != "guard":
        broken.append(f"the trial's verdict is {b.trial_verdict}")
    if b.failed_starts < 1:
        broken.append("the agent was not broken")
    seen = f"{b.device} runs {b.old_version} again while {b.failed_starts} starts of its agent failed"
    return _finding(GUARDED, broken, seen)


def mended_reported(rollout: SeenRollout, device: str) -> Finding:
    found = [a for a in rollout.updates() if a.device == device]
    broken = [] if found else [f"{device} was never offered {rollout.version}"]
    broken += [
        f"{device} is {a.outcome or a.state} ({a.reason})"
        for a in found
        if (a.outcome, a.reason) != ("reverted", "no_verdict")
    ]
    return _finding(REPORTED, broken, f"{device}: reverted, no_verdict: {found[0].message if found else ''}")


def unsigned_refused(exit_code: int, versions: Iterable[str], version: str) -> Finding:
    """The server refused it as untrusted, and does not list it."""
    broken = [] if exit_code == VERIFICATION_FAILED else [f"the command ended with {exit_code}"]
    if version in set(versions):
        broken.append("the server lists it")
    return _finding(UNSIGNED, broken, f"publish ended with {exit_code}, the server does not list {version}")


def in_time(elapsed_s: float, limit_s: float) -> Finding:
    return Finding(IN_TIME, f"{elapsed_s:.0f} s of {limit_s:.0f} s", elapsed_s <= limit_s)


def not_seen(findings: Iterable[Finding], why: str) -> list[Finding]:
    """A row for each promise that the story did not come to."""
    found = {finding.promised for finding in findings}
    return [Finding(promised, why, False) for promised in ALL if promised not in found]


def _not_running(device: SeenDevice, on_disk: DeviceOnDisk | None, version: str) -> str | None:
    running = on_disk.running if on_disk is not None else None
    if not device.online:
        return f"{device.id} is offline"
    if device.version != version:
        return f"{device.id} is shown as {device.version}"
    if running is None or running.version != version:
        return f"{device.id} does not run {version} from a whole slot: {_as_found(on_disk)}"
    if running.digest != device.digest:
        return f"{device.id} reports another digest than its disk holds"
    return None


def _as_found(on_disk: DeviceOnDisk | None) -> str:
    """What contradicts each other on a disk, in a few words."""
    if on_disk is None:
        return "its disk was not looked at"
    slots = ", ".join(
        f"{name} holds {slot.version or 'nothing'}{'' if slot.whole else ' not whole'}"
        for name, slot in on_disk.slots.items()
    )
    return f"{on_disk.applications} processes, from {on_disk.runs_from}, the link at {on_disk.current}, {slots}"


def _not_proved(device: str, last: SeenAssignment | None, on_disk: DeviceOnDisk | None, soak_s: float) -> str | None:
    running = on_disk.running if on_disk is not None else None
    if last is None or last.outcome != "committed":
        return f"{device} is {last.outcome or last.state if last else 'without an assignment'}"
    if (
        running is None
        or on_disk is None
        or (last.proved_digest, last.proved_slot) != (running.digest, on_disk.current)
    ):
        return f"the proof of {device} is not what its disk shows"
    if last.soak_s < soak_s:
        return f"{device} soaked {last.soak_s:.1f} s only"
    return None


def _was_ordered_back(rollout: SeenRollout, device: str) -> bool:
    """A healthy canary leaves the release by an order: told in probation, or by an assignment to go back."""
    mine = [a for a in rollout.assignments if a.device == device]
    return any(
        a.intent == "revert" or a.reason in ("reverted_by_order", "cancelled_by_order", "superseded") for a in mine
    )


def _version_on(on_disk: DeviceOnDisk | None) -> str | None:
    return on_disk.running.version if on_disk is not None and on_disk.running is not None else None


def _names(devices: Iterable[str]) -> str:
    return ", ".join(sorted(set(devices))) or "nobody"


def _finding(promised: str, broken: Sequence[str], seen: str) -> Finding:
    if not broken:
        return Finding(promised, seen, True)
    more = f" (and {len(broken) - 2} more)" if len(broken) > 2 else ""
    return Finding(promised, "; ".join(broken[:2]) + more, False)
