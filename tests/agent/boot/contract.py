"""What every boot control promises, as tests that each adapter's test module inherits (STYLE 16)."""

from __future__ import annotations

import pytest

from surefoot_agent.ports import BootControl
from surefoot_shared.status import SlotName, SlotState

A, B = SlotName.A, SlotName.B


class BootContract:
    """Give a `boot` fixture that runs slot A, and `enter` to start the machine or component anew."""

    def enter(self, boot: BootControl) -> None:
        raise NotImplementedError

    marks = (SlotState.EMPTY, SlotState.EMPTY)
    """What a new device says of A and B."""

    def test_a_new_device_runs_a_and_claims_nothing_that_was_not_marked(self, boot: BootControl) -> None:
        assert (boot.current(), boot.primary(), boot.trial().slot) == (A, A, None)
        assert (boot.state(A), boot.state(B)) == self.marks

    @pytest.mark.parametrize("state", SlotState)
    def test_a_state_is_kept_for_its_slot_only(self, boot: BootControl, state: SlotState) -> None:
        boot.set_state(B, state)

        assert (boot.state(A), boot.state(B)) == (self.marks[0], state)

    def test_a_mark_never_moves_what_is_entered(self, boot: BootControl) -> None:
        for state in SlotState:
            boot.set_state(A, state)
            boot.set_state(B, state)
            self.enter(boot)

            assert boot.current() is A

    def test_an_armed_slot_reads_back_as_primary_and_is_entered_next(self, boot: BootControl) -> None:
        boot.arm_trial(B)

        assert boot.primary() is B
        self.enter(boot)
        assert boot.current() is B

    def test_a_committed_trial_stays(self, boot: BootControl) -> None:
        boot.arm_trial(B)
        self.enter(boot)

        boot.set_primary(B)

        for _ in range(2):
            self.enter(boot)
            assert (boot.current(), boot.primary()) == (B, B)

    def test_the_way_back_is_one_call(self, boot: BootControl) -> None:
        boot.arm_trial(B)
        self.enter(boot)

        boot.set_primary(A)

        self.enter(boot)
        assert (boot.current(), boot.primary()) == (A, A)

    def test_arming_leaves_the_mark_of_the_slot_alone(self, boot: BootControl) -> None:
        boot.set_state(B, SlotState.BAD)

        boot.arm_trial(B)

        assert boot.state(B) is SlotState.BAD

    def test_a_commit_is_one_call(self, boot: BootControl) -> None:
        boot.set_state(B, SlotState.BAD)
        boot.arm_trial(B)
        self.enter(boot)

        boot.commit(B)

        assert (boot.primary(), boot.state(B), boot.trial().slot) == (B, SlotState.GOOD, None)

    def test_a_committed_slot_may_be_committed_at_every_start(self, boot: BootControl) -> None:
        for _ in range(3):
            boot.commit(A)
            self.enter(boot)

        assert (boot.current(), boot.primary(), boot.state(A)) == (A, A, SlotState.GOOD)

    def test_a_mark_takes_a_trial_back_where_the_switch_needs_a_restart(self, boot: BootControl) -> None:
        boot.arm_trial(B)

        boot.set_state(B, SlotState.BAD)

        self.enter(boot)
        assert boot.current() is (A if boot.capabilities().needs_restart else B)

    def test_what_is_armed_can_be_told_where_boot_control_notes_it(self, boot: BootControl) -> None:
        boot.arm_trial(B)

        trial = boot.trial()
        assert (trial.slot, trial.gave_up) == (B if trial.known else None, None)
        assert trial.tries_left == boot.capabilities().tries

    def test_every_write_may_be_repeated(self, boot: BootControl) -> None:
        for _ in range(3):
            boot.set_state(B, SlotState.BAD)
            boot.arm_trial(B)

        self.enter(boot)
        assert (boot.current(), boot.state(B)) == (B, SlotState.BAD)
