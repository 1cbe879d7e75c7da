from __future__ import annotations

import pytest

from surefoot_agent.boot.fake import FakeBoot, Fault
from surefoot_agent.ports import BootControl
from surefoot_shared.status import SlotName
from tests.agent.boot.contract import BootContract

A, B = SlotName.A, SlotName.B


@pytest.fixture
def boot() -> FakeBoot:
    return FakeBoot()


class TestContract(BootContract):
    def enter(self, boot: BootControl) -> None:
        assert isinstance(boot, FakeBoot)
        boot.restart()


def test_a_trial_that_is_not_committed_ends_with_the_next_restart(boot: FakeBoot) -> None:
    boot.arm_trial(B)

    assert [boot.restart(), boot.restart()] == [B, A]


def test_a_switch_without_effect_reads_back_as_the_old_slot() -> None:
    boot = FakeBoot(fault=Fault.SWITCH_WITHOUT_EFFECT)

    boot.arm_trial(B)

    assert (boot.primary(), boot.restart()) == (A, A)


def test_a_slot_that_never_starts_falls_back_by_itself() -> None:
    boot = FakeBoot(fault=Fault.NEW_SLOT_NEVER_STARTS)

    boot.arm_trial(B)

    assert (boot.primary(), boot.restart(), boot.primary()) == (B, A, A)
