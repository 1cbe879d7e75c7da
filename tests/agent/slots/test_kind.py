from __future__ import annotations

import pytest

from surefoot_agent.slots.kind import refuse_other_kind
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import SlotKind


@pytest.mark.parametrize("slots", SlotKind)
@pytest.mark.parametrize("release", SlotKind)
def test_a_release_enters_slots_of_its_own_kind_only(slots: SlotKind, release: SlotKind) -> None:
    if slots is release:
        assert refuse_other_kind(slots, release) is None  # type: ignore[func-returns-value]
        return
    with pytest.raises(InstallFailed) as caught:
        refuse_other_kind(slots, release)

    assert caught.value.kind == "wrong_slot_kind"
