"""The real systemd-boot and the real GRUB on real firmware do what our boot control asks, and write it to FAT."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from surefoot_agent.boot.grub import GrubEnvironment
from surefoot_agent.boot.noted import NotedBoot
from surefoot_agent.boot.sdboot import SystemdBoot
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.boot.variables import Names, Surefoot
from surefoot_agent.ports import BootTrial
from surefoot_shared.status import SlotName, SlotState
from surefoot_simulators.bootloader.firmware import systemd_boot
from tests.power.loader import FIRMWARE, GrubMachine, SystemdBootMachine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.power,
    pytest.mark.timeout(1800),
    pytest.mark.needs("qemu-system-aarch64", str(FIRMWARE), "mcopy", "mkfs.vfat", "grub-editenv"),
]

A, B = SlotName.A, SlotName.B


def test_a_trial_on_systemd_boot_lasts_for_its_starts_and_a_commit_stays(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    machine, entries = SystemdBootMachine(tmp_path / "machine"), tmp_path / "entries"
    entries.mkdir()
    for name in ("surefoot-9-b.conf", "surefoot-10-a.conf"):
        (entries / name).write_text("")
    running = [A]
    boot = NotedBoot(SystemdBoot(entries, Names("a", "b"), 2, lambda: running[-1]), tmp_path)

    def start() -> SlotName:
        """Start the machine with the entries of the folder, and take over what the loader made of their names."""
        before = {path.name for path in entries.iterdir()}
        started = machine.start(before)
        chosen, called = systemd_boot(before)
        assert started.entries == before - {chosen} | {called}, "the port names it otherwise"
        (entries / chosen).rename(entries / called)
        running.append(SlotName(started.slot))
        return running[-1]

    assert start() is A
    boot.arm_trial(B)
    assert [start(), start(), start()] == [B, B, A]
    assert boot.trial().gave_up is B
    boot.arm_trial(B)
    assert start() is B
    boot.commit(B)
    assert start() is B
    boot.set_primary(A)
    assert start() is A


def test_a_trial_on_grub_lasts_for_its_starts_and_a_commit_stays(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    copies = tmp_path / "surefoot0", tmp_path / "surefoot1"
    for copy in copies:
        subprocess.run(["grub-editenv", str(copy), "create"], check=True)
    machine, command_line = GrubMachine(tmp_path / "machine", copies), tmp_path / "cmdline"
    names = Names("A", "B")
    boot = UBoot(tmp_path, GrubEnvironment(copies), Surefoot(names, 2), names, "surefoot.slot", command_line)

    def start() -> SlotName:
        command_line.write_text(f"surefoot.slot={machine.start()}\n")
        return boot.current()

    assert start() is A
    boot.commit(A)
    boot.arm_trial(B)
    assert [start(), start(), start()] == [B, B, A]
    assert (boot.trial(), boot.state(B)) == (BootTrial(gave_up=B), SlotState.BAD)
    boot.arm_trial(B)
    assert start() is B
    boot.commit(B)
    assert start() is B
