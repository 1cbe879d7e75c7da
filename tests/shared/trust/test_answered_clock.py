"""A clock far ahead: the director's answer to the device's own question tells the time, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.signing import new_signer
from tests.shared.trust.simulator import DAY, DEVICE, NOW, DeviceSimulator, FleetSimulator, edited

AHEAD = NOW + 3650 * DAY
MINE = ("nonce-of-mine", "an-older-one")


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version("1.1", 101)
    return made


@pytest.fixture
def device(tmp_path: Path, fleet: FleetSimulator) -> DeviceSimulator:
    return DeviceSimulator(tmp_path / "trust", fleet)


def refused(device: DeviceSimulator, raw: bytes) -> str:
    with pytest.raises(UntrustedRelease) as caught:
        device.decide(raw, AHEAD, MINE)
    return caught.value.kind


@pytest.mark.parametrize("nonce", MINE)
def test_a_device_ten_years_ahead_takes_an_answer_to_its_own_hello(
    device: DeviceSimulator, fleet: FleetSimulator, nonce: str
) -> None:
    verified = device.decide(fleet.bundle(fleet.wish(), nonce=nonce), AHEAD, MINE)

    assert verified.approved
    assert verified.clock_source == "nonce"
    assert device.floors.time == "2026-06-01T12:00:00Z", "the floor follows what was signed, not the clock"


@pytest.mark.parametrize("nonce", ["", "nonce-of-another"])
def test_without_its_own_nonce_everything_has_expired_for_it(
    device: DeviceSimulator, fleet: FleetSimulator, nonce: str
) -> None:
    assert refused(device, fleet.bundle(fleet.wish(), nonce=nonce)) == "metadata_expired"


def test_a_nonce_that_was_written_in_afterwards_breaks_the_signature(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    files = fleet.assign(fleet.wish())
    files["timestamp.json"] = edited(files["timestamp.json"], **{"x-nonce": MINE[0]})

    assert refused(device, pack(Bundle(DEVICE, files, fleet.image))) == "metadata_untrusted"


def test_an_answer_of_another_key_tells_no_time(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    raw = fleet.bundle(fleet.wish(), nonce=MINE[0], signer=new_signer())

    assert refused(device, raw) == "metadata_untrusted"
    assert device.floors.time == "1970-01-01T00:00:00Z"


def test_an_older_answer_does_not_bring_back_the_time_before_the_floor(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    old = fleet.bundle(fleet.wish(), nonce=MINE[0])
    fleet.now = NOW + 30 * DAY
    fleet.publish()
    device.decide(fleet.bundle(), fleet.now)

    with pytest.raises(UntrustedRelease) as caught:
        device.decide(old, AHEAD, MINE)

    assert caught.value.kind in ("metadata_expired", "metadata_rollback")


def test_a_kept_timestamp_of_the_same_version_cannot_be_passed_off_as_an_answer(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    device.decide(fleet.bundle(fleet.wish(), version=5000))
    forged = fleet.assign(fleet.wish(), version=5000, nonce=MINE[0], signer=new_signer())

    assert refused(device, pack(Bundle(DEVICE, forged, fleet.image))) in ("metadata_expired", "metadata_untrusted")


def test_a_clock_that_is_right_is_believed_beside_an_answer(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    assert device.decide(fleet.bundle(nonce=MINE[0]), NOW, MINE).clock_source == "system"
