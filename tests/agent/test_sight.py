from __future__ import annotations

import dataclasses

import pytest

from surefoot_agent import sight
from surefoot_agent.boot.fake import FakeBoot
from surefoot_agent.record import Committed
from surefoot_agent.sight import Hands
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from tests.agent.fakes import Device
from tests.agent.trees import install

pytestmark = pytest.mark.usefixtures("unsynced")

A, B = SlotName.A, SlotName.B


def put(device: Device, slot: SlotName, version: str) -> None:
    manifest = device.manifests[version]
    install(device.slots, slot, manifest, {f.path: device.downloader.blobs[f.sha256] for f in manifest.files})


def test_what_runs_committed_is_proved_with_process_and_slot(device: Device, hands: Hands) -> None:
    proof = sight.settled(hands)

    assert proof is not None
    assert (proof.digest, proof.slot, proof.pid, proof.marked_good) == (device.digest("1.0"), A, 101, True)


@pytest.mark.parametrize("flaw", ["dead", "bad slot", "unsealed", "other slot", "no link"])
def test_anything_less_is_not_settled(device: Device, hands: Hands, flaw: str) -> None:
    match flaw:
        case "dead":
            device.application.process = None
        case "bad slot":
            device.boot_control.set_state(A, SlotState.BAD)
        case "unsealed":
            device.slots.clear(A)
        case "other slot":
            device.boot_control.set_primary(B)
        case "no link":
            (device.component_dir / "current").unlink()

    assert sight.settled(hands) is None


def test_what_runs_from_a_slot_on_trial_is_seen_but_not_called_good(device: Device, hands: Hands) -> None:
    put(device, B, "1.1")
    device.boot_control.set_state(B, SlotState.BAD)
    device.application.start(B, device.manifests["1.1"])

    proof = sight.seen(hands)

    assert proof is not None
    assert (proof.slot, proof.marked_good) == (B, False)


def test_both_slots_are_reported_as_boot_control_and_seal_say(device: Device, hands: Hands) -> None:
    reports = sight.slot_reports(hands)

    assert (reports[A].state, reports[A].release, reports[A].digest) == (SlotState.GOOD, "1.0", device.digest("1.0"))
    assert (reports[B].state, reports[B].release, reports[B].digest) == (SlotState.EMPTY, None, None)


def test_a_good_current_slot_is_the_committed_release_and_a_bad_one_is_not(device: Device, hands: Hands) -> None:
    assert sight.committed(hands) == Committed(device.digest("1.0"), "1.0", A)

    device.boot_control.set_state(A, SlotState.BAD)

    assert sight.committed(hands) is None


def test_floors_rise_for_a_committed_release_only(device: Device, hands: Hands) -> None:
    sight.raise_floors(hands, device.trust)
    assert [note.version for note in device.trust.floors] == ["1.0"]

    device.boot_control.set_state(A, SlotState.BAD)
    sight.raise_floors(hands, device.trust)

    assert len(device.trust.floors) == 1


def test_a_boot_control_that_does_not_answer_keeps_nothing_else_back(device: Device, hands: Hands) -> None:
    class Mute(FakeBoot):
        def state(self, slot: SlotName) -> SlotState:
            raise InstallFailed("boot_control_failed", "no answer")

    mute = dataclasses.replace(hands, boot=Mute())

    reports, proof = sight.slot_reports(mute), sight.seen(mute)

    assert reports[A].state is SlotState.BAD
    assert reports[A].release == "1.0"
    assert proof is not None
    assert not proof.marked_good
