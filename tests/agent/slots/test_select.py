"""Every kind of slot has a name by which a component asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.components import ComponentSettings
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.slots.select import Place, slots_of
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName


def test_directory_slots_keep_the_reserve_of_their_place(tmp_path: Path) -> None:
    slots = slots_of(ComponentSettings(kind="directory"), Place(tmp_path / "app", 1 << 60))

    assert isinstance(slots, DirectorySlots)
    with pytest.raises(InstallFailed, match="free"):
        slots.room(1, 1, SlotName.B)
