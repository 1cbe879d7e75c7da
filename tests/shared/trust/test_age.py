"""What grows old is told, with words that do not change from day to day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from surefoot_shared.trust.age import grown_old
from surefoot_shared.trust.policy import Policy
from tests.shared.trust.simulator import DAY, NOW, DeviceSimulator, FleetSimulator


def aged(tmp_path: Path, days_offline: int = 30) -> DeviceSimulator:
    """A device that has seen the policy; its release role ends in 180 days."""
    fleet = FleetSimulator()
    fleet.release_version("1.1", 101)
    fleet.set_policy(Policy("app", max_offline_days=days_offline))
    device = DeviceSimulator(tmp_path / "trust", fleet)
    device.decide(fleet.bundle(fleet.wish("1.1")))
    return device


def kinds(device: DeviceSimulator, days: int) -> list[str]:
    return [old.kind for old in grown_old(device.floors, NOW + days * DAY)]


def test_a_device_that_hears_nothing_new_says_so_after_the_policys_days(tmp_path: Path) -> None:
    device = aged(tmp_path)

    assert kinds(device, 29) == []
    assert kinds(device, 31) == ["stale_metadata"]


def test_the_message_stays_the_same_while_nothing_changes(tmp_path: Path) -> None:
    floors = aged(tmp_path).floors

    assert list(grown_old(floors, NOW + 31 * DAY)) == list(grown_old(floors, NOW + 60 * DAY))


def test_a_policy_without_a_limit_never_complains(tmp_path: Path) -> None:
    assert kinds(aged(tmp_path, days_offline=0), 100) == []


def test_a_release_role_that_nobody_signs_anew_is_told_a_month_before_its_end(tmp_path: Path) -> None:
    device = aged(tmp_path, days_offline=0)

    assert kinds(device, 149) == []
    assert kinds(device, 151) == ["old_release_role"]
    assert kinds(device, 400) == ["old_release_role"]


def test_floors_that_make_no_sense_are_no_alarm(tmp_path: Path) -> None:
    floors = replace(aged(tmp_path).floors, time="junk", role_expires={"app": "junk"})

    assert list(grown_old(floors, NOW + 400 * DAY)) == []
