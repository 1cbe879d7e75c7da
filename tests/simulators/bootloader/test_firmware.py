"""The emulated firmware does what its vendors' pages and sources say, its failures too."""

from __future__ import annotations

import pytest

from surefoot_simulators.bootloader.firmware import (
    Pi,
    Roots,
    efi_number,
    jetson,
    jetson_cold,
    raspberry_pi,
    systemd_boot,
)

AUTOBOOT = b"[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"


@pytest.mark.parametrize(
    ("text", "flags", "found"),
    [
        (AUTOBOOT, 0, Pi(2, False)),
        (AUTOBOOT, 1, Pi(3, True)),
        (AUTOBOOT.ljust(512, b"\n"), 1, Pi(3, True)),
        (AUTOBOOT.ljust(513, b"\n"), 1, Pi(1, True)),
        (b"", 0, Pi(1, False)),
        (b"\0" * 512, 0, Pi(1, False)),
        (b"[pi4]\nboot_partition=5\n[all]\nboot_partition=2\n", 0, Pi(2, False)),
    ],
)
def test_a_raspberry_pi_reads_one_sector_and_a_filter_until_the_next(text: bytes, flags: int, found: Pi) -> None:
    assert raspberry_pi(text, flags) == found


@pytest.mark.parametrize(
    ("found", "entered", "left"),
    [
        (Roots(0, (3, 3), (False, False)), 0, Roots(0, (2, 3), (False, False))),
        (Roots(1, (3, 1), (False, False)), 1, Roots(1, (3, 0), (False, False))),
        (Roots(1, (3, 0), (False, False)), 0, Roots(0, (2, 0), (False, True))),
        (Roots(1, (3, 2), (False, True)), 1, Roots(1, (3, 1), (False, True))),
        (Roots(0, (0, 0), (False, False)), None, Roots(0, (0, 0), (True, True))),
        (Roots(0, (3, 3), (True, True)), None, Roots(0, (0, 0), (True, True))),
    ],
)
def test_a_jetson_counts_and_the_count_alone_decides(found: Roots, entered: int | None, left: Roots) -> None:
    assert jetson(found) == (entered, left)


def test_a_cold_start_of_a_jetson_fills_up_what_is_not_unbootable() -> None:
    assert jetson_cold(Roots(0, (1, 1), (False, True))) == Roots(0, (3, 0), (False, True))


def test_uefi_forgets_boot_next_before_it_starts_it() -> None:
    head = bytes((7, 0, 0, 0))
    variables = {"BootOrder": head + bytes((1, 0, 2, 0)), "BootNext": head + bytes((2, 0))}

    number, left = efi_number(variables)

    assert (number, left["BootCurrent"], "BootNext" in left) == ("0002", head + bytes((2, 0)), False)
    assert efi_number(left)[0] == "0001"


@pytest.mark.parametrize(
    ("entries", "chosen", "called"),
    [
        (["s-2-a.conf", "s-3-b+3.conf"], "s-3-b+3.conf", "s-3-b+2-1.conf"),
        (["s-2-a.conf", "s-3-b+1-2.conf"], "s-3-b+1-2.conf", "s-3-b+0-3.conf"),
        (["s-2-a.conf", "s-3-b+0-3.conf"], "s-2-a.conf", "s-2-a.conf"),
        (["s-9-a.conf", "s-10-b.conf"], "s-10-b.conf", "s-10-b.conf"),
        (["s-2-a+0-3.conf", "s-3-b+0-3.conf"], "s-3-b+0-3.conf", "s-3-b+0-3.conf"),
    ],
)
def test_systemd_boot_counts_in_the_name_and_sorts_what_has_no_start_last(
    entries: list[str], chosen: str, called: str
) -> None:
    assert systemd_boot(entries) == (chosen, called)
