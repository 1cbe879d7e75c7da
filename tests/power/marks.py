"""What every test on an emulated machine is marked with."""

from __future__ import annotations

import pytest

from tests.power.machine import UBOOT

ON_THE_MACHINE = [
    pytest.mark.slow,
    pytest.mark.power,
    pytest.mark.timeout(1800),
    pytest.mark.needs("qemu-system-aarch64", str(UBOOT), "mkimage", "sfdisk", "mkfs.ext4", "fw_setenv"),
]
