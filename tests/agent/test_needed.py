"""The slots that a device cannot do without are not written, whatever the journal chose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_agent.needed import refuse_needed
from surefoot_agent.trial import Verdict
from surefoot_shared.errors import Conflict
from surefoot_shared.status import SlotName
from tests.agent.fakes import Device
from tests.agent.test_trial import TRIAL

pytestmark = pytest.mark.usefixtures("unsynced")
A, B = SlotName.A, SlotName.B


def test_the_slot_that_runs_and_the_one_that_is_entered_next_are_refused(device: Device) -> None:
    refuse_needed(device.hands(), B)
    with pytest.raises(Conflict, match="Slot A runs"):
        refuse_needed(device.hands(), A)

    device.boot_control.set_primary(B)  # what runs is still A

    for slot in SlotName:
        with pytest.raises(Conflict, match="is not written"):
            refuse_needed(device.hands(), slot)


def test_the_way_back_of_a_trial_is_refused_until_the_trial_is_over(device: Device) -> None:
    device.boot_control.set_primary(B)
    device.application.start(B, device.manifests["1.0"])
    for open_one in (TRIAL, replace(TRIAL, verdict=Verdict.UNHEALTHY), replace(TRIAL, verdict=Verdict.GUARD)):
        device.trials._write(replace(open_one, slot="B", previous="A"))
        with pytest.raises(Conflict, match="the way back of a trial"):
            refuse_needed(device.hands(), A)

    for over in (replace(TRIAL, verdict=Verdict.HEALTHY), replace(TRIAL, verdict=Verdict.GUARD, finished=True)):
        device.trials._write(replace(over, slot="B", previous="A"))
        refuse_needed(device.hands(), A)
