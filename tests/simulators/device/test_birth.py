"""A device of no special kind: a folder behind a link, and a word once an hour."""

from __future__ import annotations

from surefoot_shared.identity import generate_key
from surefoot_simulators.device.birth import Birth
from surefoot_simulators.device.boot import Kind


def test_a_device_of_no_special_kind_switches_a_link_and_goes_back_within_its_budget() -> None:
    birth = Birth("cam-1", "rpi5", "hanoi", generate_key())

    assert (birth.boot, birth.boot.is_root) == (Kind.LINK, False)
    assert birth.quiet_s < birth.heartbeat_s
    assert birth.guard_budget_s < birth.quiet_s
