"""BootNext and BootOrder, set by our boot control with Debian's efibootmgr, on Debian's UEFI firmware."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.power.loader import FIRMWARE
from tests.power.uefi import UefiLinux

pytestmark = [
    pytest.mark.slow,
    pytest.mark.power,
    pytest.mark.timeout(1800),
    pytest.mark.needs("qemu-system-aarch64", str(FIRMWARE), "mcopy", "mkfs.vfat", "sfdisk"),
]

ORDERS = """
import subprocess
from pathlib import Path
from surefoot_agent.boot.efi import Efi
from surefoot_agent.boot.noted import NotedBoot
from surefoot_agent.boot.variables import Names
from surefoot_shared.status import SlotName

for label in "ab":
    made = ["efibootmgr", "-q", "--create", "--disk", "/dev/nvme0n1", "--part", "1", "--label", f"slot_{{label}}"]
    subprocess.run([*made, "--loader", f"\\\\{{label}}.efi"], check=True)
boot = NotedBoot(Efi(Names("slot_a", "slot_b"), current=lambda: SlotName.A), Path("/tmp/rootfs"))
boot.commit(SlotName.A)
print("COMMITTED", boot.primary().value, boot.trial().slot)
boot.arm_trial(SlotName.B)
print("ARMED", boot.primary().value, boot.trial().slot.value, boot.trial().tries_left)
{then}
"""


def test_boot_next_is_one_start_and_boot_order_is_every_other(tmp_path: Path) -> None:
    machine = UefiLinux(tmp_path, ORDERS.format(then=""))

    said = machine.start()
    entered = [machine.start().rstrip()[-1:] for _ in range(2)]

    assert "COMMITTED A None" in said, said[-2000:]
    assert "ARMED B B 1" in said, said[-2000:]
    assert entered == ["B", "A"]


def test_a_commit_moves_boot_order_for_good(tmp_path: Path) -> None:
    machine = UefiLinux(tmp_path, ORDERS.format(then='boot.commit(SlotName.B)\nprint("NOW", boot.primary().value)'))

    said = machine.start()
    entered = machine.start().rstrip()[-1:]

    assert "NOW B" in said, said[-2000:]
    assert entered == "B"
