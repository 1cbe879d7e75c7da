"""Permits: the one way below a floor, for named devices, from one release to another, once, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_shared.release import digest_of
from surefoot_shared.status import Intent
from surefoot_shared.trust.permit import USED_LIMIT, Permit, may_use, permit_path
from surefoot_shared.trust.policy import Policy
from tests.shared.trust.simulator import DAY, DEVICE, NEIGHBOUR, NOW, DeviceSimulator, FleetSimulator, manifest

OLD, NEW = manifest("1.1", 101, 0), manifest("2.0", 200, 2)
PERMIT = Permit("p-1", "app", digest_of(NEW), digest_of(OLD), (DEVICE,), "2026-06-08T00:00:00Z", "the camera freezes")


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version("1.1", 101, svn=0)
    made.release_version("2.0", 200, svn=2)
    made.set_policy(Policy("app", min_svn=2))
    return made


@pytest.fixture
def device(tmp_path: Path, fleet: FleetSimulator) -> DeviceSimulator:
    """A device that runs 2.0 and whose floor is its svn."""
    made = DeviceSimulator(tmp_path / "trust", fleet)
    made.decide(fleet.bundle(fleet.wish("2.0")))
    made.commit(NEW)
    assert made.floors.svn == {"app": 2}
    return made


def back(device: DeviceSimulator, fleet: FleetSimulator, intent: Intent = Intent.DOWNGRADE) -> list[str]:
    """The kinds with which an assignment of 1.1 is refused."""
    return [each.kind for each in device.decide(fleet.bundle(fleet.wish("1.1", intent))).refused]


@pytest.mark.parametrize("intent", [Intent.DOWNGRADE, Intent.REVERT, Intent.UPDATE])
def test_without_a_permit_nothing_leads_below_the_floor(
    device: DeviceSimulator, fleet: FleetSimulator, intent: Intent
) -> None:
    assert back(device, fleet, intent) == ["below_svn_floor"]


def test_a_permit_leads_below_the_floor_and_the_floor_stays(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.permit(PERMIT)

    assert back(device, fleet) == []
    assert device.floors.svn == {"app": 2}


def test_a_permit_is_used_once_and_remembered_through_a_restart(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.permit(PERMIT)
    wish = fleet.wish("1.1", Intent.DOWNGRADE)

    assert device.decide(fleet.bundle(wish)).approved
    assert device.decide(fleet.bundle(wish)).approved, "the same assignment is decided again after a restart"
    assert device.floors.used_permits == {"p-1": wish.note.assignment}
    device.commit(OLD)
    device.commit(NEW)
    assert back(device, fleet) == ["below_svn_floor"]


@pytest.mark.parametrize(
    "other",
    [
        replace(PERMIT, devices=(NEIGHBOUR,)),
        replace(PERMIT, from_sha256="0" * 64),
        replace(PERMIT, to_sha256="0" * 64),
        replace(PERMIT, not_after="2026-05-31T00:00:00Z"),
    ],
    ids=["another device", "from another release", "to another release", "over"],
)
def test_a_permit_for_another_case_permits_nothing(
    device: DeviceSimulator, fleet: FleetSimulator, other: Permit
) -> None:
    fleet.permit(other)

    assert back(device, fleet) == ["below_svn_floor"]
    assert device.floors.used_permits == {}


def test_a_permit_is_over_by_the_trusted_time_whatever_the_devices_clock_says(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    fleet.permit(PERMIT)
    fleet.now = NOW + 20 * DAY
    fleet.publish()
    device.decide(fleet.bundle(), fleet.now)

    assert [each.kind for each in device.decide(fleet.bundle(fleet.wish("1.1")), NOW).refused] == ["below_svn_floor"]


def test_a_permit_needs_the_threshold_of_release_keys(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.permit(PERMIT, signers=fleet.release.signers[:1])

    assert back(device, fleet) == ["metadata_untrusted"]


def test_another_components_release_keys_cannot_permit(tmp_path: Path) -> None:
    fleet = FleetSimulator(components=("app", "model"))
    for version, counter, svn in (("1.1", 101, 0), ("2.0", 200, 2)):
        fleet.release_version(version, counter, svn)
    fleet.set_policy(Policy("app", min_svn=2))
    device = DeviceSimulator(tmp_path / "trust", fleet)
    device.decide(fleet.bundle(fleet.wish("2.0")))
    device.commit(NEW)
    target = fleet.listed
    fleet.permit(replace(PERMIT, component="model"))
    target[permit_path("model", "p-1")].path = permit_path("app", "p-1")

    assert back(device, fleet) == ["below_svn_floor"]


def test_a_permit_does_not_lead_to_a_revoked_release_or_to_other_hardware(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    fleet.permit(PERMIT)
    fleet.set_policy(Policy("app", min_svn=2, revoked=(digest_of(OLD),)))
    assert back(device, fleet) == ["not_released"]

    fleet.set_policy(Policy("app", min_svn=2))
    device.hw = "jetson-orin"

    assert back(device, fleet) == ["wrong_hardware"]
    assert device.floors.used_permits == {}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "A/b"},
        {"component": ""},
        {"from_sha256": "0"},
        {"devices": ()},
        {"devices": ("a/b",)},
        {"not_after": "soon"},
        {"max_uses": 2},
        {"max_uses": 0},
        {"reason": ""},
    ],
)
def test_a_permit_that_says_too_much_or_too_little_is_none(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(PERMIT, **change)  # type: ignore[arg-type]


def test_what_a_device_remembers_is_bounded() -> None:
    used = {f"p-{number}": "a" for number in range(USED_LIMIT)}

    assert not may_use(used, "one-more", "b")
    assert may_use(used, "p-1", "a")
