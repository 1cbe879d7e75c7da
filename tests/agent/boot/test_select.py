"""Every boot control has a name by which a component asks for it."""

from __future__ import annotations

from pathlib import Path

from surefoot_agent.boot.select import boot_of
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.components import ComponentSettings
from surefoot_shared.status import SlotName


def test_the_symlink_boot_control_works_in_the_folder_of_its_component(tmp_path: Path) -> None:
    boot = boot_of(ComponentSettings(boot="symlink"), tmp_path / "app")

    boot.set_primary(SlotName.B)

    assert isinstance(boot, SymlinkBoot)
    assert (tmp_path / "app" / "current").readlink() == Path("slots/B")
