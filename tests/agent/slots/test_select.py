"""Every kind of slot has a name by which a component asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.components import ComponentSettings
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.slots.select import Place, problem_of, slots_of
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName


def test_directory_slots_keep_the_reserve_of_their_place(tmp_path: Path) -> None:
    slots = slots_of(ComponentSettings(kind="directory"), Place(tmp_path / "app", 1 << 60))

    assert isinstance(slots, DirectorySlots)
    with pytest.raises(InstallFailed, match="free"):
        slots.room(1, 1, SlotName.B)


def test_image_slots_are_the_devices_that_the_component_names(tmp_path: Path) -> None:
    component = ComponentSettings(kind="image", boot="uboot", slot_a="/dev/mmcblk0p2", slot_b="/dev/mmcblk0p3")

    slots = slots_of(component, Place(tmp_path / "rootfs"))

    assert isinstance(slots, ImageSlots)
    assert [str(slots.path(slot)) for slot in SlotName] == ["/dev/mmcblk0p2", "/dev/mmcblk0p3"]


@pytest.mark.parametrize("devices", [("", ""), ("/dev/a", ""), ("dev/a", "/dev/b")])
def test_an_image_without_both_devices_is_refused(devices: tuple[str, str]) -> None:
    told = ComponentSettings(kind="image", slot_a=devices[0], slot_b=devices[1])

    assert "slot_a and slot_b" in (problem_of(told) or "")
    assert problem_of(ComponentSettings()) is None
