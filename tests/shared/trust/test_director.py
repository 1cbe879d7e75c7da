"""What the director signs for one device."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tuf.api.metadata import Metadata, Targets

from surefoot_shared import wire
from surefoot_shared.errors import Conflict
from surefoot_shared.messages import AssignmentNote
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.director import sign_assignments
from surefoot_shared.trust.signing import new_signer
from tests.shared.trust.simulator import DEVICE, NOW, FleetSimulator


def test_all_three_files_name_the_device_and_share_one_version() -> None:
    fleet = FleetSimulator()

    files = sign_assignments(DEVICE, [fleet.wish()], 77, NOW, new_signer())

    assert set(files) == {"77.targets.json", "77.snapshot.json", "timestamp.json"}
    for text in files.values():
        signed = json.loads(text)["signed"]
        assert (signed["x-device"], signed["version"], signed["expires"]) == (DEVICE, 77, "2026-06-08T12:00:00Z")
    assert json.loads(files["timestamp.json"])["signed"]["x-signed-at"] == "2026-06-01T12:00:00Z"


def test_an_assignment_carries_the_note_and_the_digest_of_its_release() -> None:
    wish = FleetSimulator().wish()

    files = sign_assignments(DEVICE, [wish], 77, NOW, new_signer())

    (target,) = Metadata[Targets].from_bytes(files["77.targets.json"].encode()).signed.targets.values()
    assert wire.from_json(AssignmentNote, target.custom) == wish.note
    assert (target.hashes, target.length) == ({"sha256": wish.digest}, wish.manifest_size)


def test_an_empty_assignment_is_signed_for_its_device_too() -> None:
    files = sign_assignments(DEVICE, [], 77, NOW, new_signer(), timedelta(hours=1))

    assert json.loads(files["77.targets.json"])["signed"]["targets"] == {}
    assert json.loads(files["77.targets.json"])["signed"]["x-device"] == DEVICE


def test_two_wishes_for_one_component_are_never_signed() -> None:
    fleet = FleetSimulator()

    with pytest.raises(Conflict) as caught:
        sign_assignments(DEVICE, [fleet.wish("1.1"), fleet.wish("1.2")], 77, NOW, new_signer())

    assert caught.value.kind == "duplicate_assignment"


def test_an_assignment_is_small_enough_for_the_worst_uplink() -> None:
    files = sign_assignments(DEVICE, [FleetSimulator().wish()], 10**12, NOW, new_signer())

    assert len(pack(Bundle(DEVICE, files))) < 1100
