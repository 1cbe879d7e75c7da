from __future__ import annotations

import pytest

from surefoot_agent.boot.fake import COUNTER, ONE_SHOT, FakeBoot, Fault, Nature
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_shared.status import SlotName
from tests.agent.boot.contract import BootContract

A, B = SlotName.A, SlotName.B


@pytest.fixture(params=[ONE_SHOT, COUNTER], ids=["one shot", "counter"])
def boot(request: pytest.FixtureRequest) -> FakeBoot:
    return FakeBoot(nature=request.param)


class TestContract(BootContract):
    def enter(self, boot: BootControl) -> None:
        assert isinstance(boot, FakeBoot)
        boot.restart()


def test_a_one_shot_trial_that_is_not_committed_ends_with_the_next_restart() -> None:
    boot = FakeBoot(nature=ONE_SHOT)
    boot.arm_trial(B)

    assert [boot.restart(), boot.restart()] == [B, A]


def test_a_counter_enters_the_slot_as_often_as_it_was_told_and_says_that_it_gave_up() -> None:
    boot = FakeBoot(nature=COUNTER)
    boot.arm_trial(B)

    assert [boot.restart() for _ in range(4)] == [B, B, B, A]
    assert boot.trial() == BootTrial(gave_up=B)


def test_a_count_in_a_register_starts_anew_after_the_power_was_gone() -> None:
    boot = FakeBoot(nature=Nature(tries=2, one_shot=False, survives_power=False))
    boot.arm_trial(B)
    boot.restart()
    boot.restart()

    assert boot.lose_power() is B


def test_a_switch_without_effect_reads_back_as_the_old_slot() -> None:
    boot = FakeBoot(fault=Fault.SWITCH_WITHOUT_EFFECT)

    boot.arm_trial(B)

    assert (boot.primary(), boot.restart()) == (A, A)


@pytest.mark.parametrize("nature", [ONE_SHOT, COUNTER])
def test_a_slot_that_never_starts_is_left_by_itself(nature: Nature) -> None:
    boot = FakeBoot(fault=Fault.NEW_SLOT_NEVER_STARTS, nature=nature)

    boot.arm_trial(B)

    assert (boot.primary(), boot.restart(), boot.primary()) == (B, A, A)
