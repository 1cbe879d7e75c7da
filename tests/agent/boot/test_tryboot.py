from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.boot.noted import NotedBoot
from surefoot_agent.boot.tryboot import COPY, Autoboot, parse, render
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_agent.reconcile import Next, decide
from surefoot_agent.reset_cause import Cause
from surefoot_agent.startup import Seen, facts
from surefoot_agent.way_back import Commanded
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from surefoot_simulators.bootloader import firmware
from tests.agent.boot.benches import TrybootBench, tryboot
from tests.agent.boot.contract import BootContract
from tests.agent.test_startup import TRYING

A, B = SlotName.A, SlotName.B
TEXT = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"


@pytest.fixture
def bench(tmp_path: Path) -> TrybootBench:
    made = tryboot(tmp_path)
    assert isinstance(made, TrybootBench)
    return made


@pytest.fixture
def boot(bench: TrybootBench) -> BootControl:
    return bench.open()


class TestContract(BootContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> TrybootBench:
        made = tryboot(tmp_path)
        assert isinstance(made, TrybootBench)
        self._bench = made
        return made

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


def test_a_trial_is_one_start_and_anything_that_ends_it_leads_back(bench: TrybootBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    bench.enter()
    assert (boot.current(), boot.primary(), boot.trial()) == (B, A, BootTrial(B, 0))

    bench.enter()

    assert (boot.current(), boot.trial()) == (A, BootTrial(gave_up=B))


def test_arming_writes_nothing_to_the_card(bench: TrybootBench, boot: BootControl) -> None:
    file = bench.folder / "autoboot.txt"
    before = file.stat().st_mtime_ns

    boot.arm_trial(B)

    assert file.stat().st_mtime_ns == before


def test_a_power_cut_before_the_restart_forgets_the_order(bench: TrybootBench, boot: BootControl) -> None:
    boot.arm_trial(B)

    bench.lose_power()

    assert (boot.current(), boot.primary()) == (A, A)
    assert not boot.capabilities().survives_power


@pytest.mark.parametrize(
    ("cause", "next_"),
    [(Cause.POWER_CUT, Next.REARM), (Cause.WATCHDOG, Next.REVERTED), (Cause.PANIC, Next.REVERTED)],
)
def test_a_power_cut_on_trial_is_armed_again_and_a_hang_is_not(
    bench: TrybootBench, boot: BootControl, cause: Cause, next_: Next
) -> None:
    boot.arm_trial(B)
    bench.enter()
    bench.lose_power()
    seen = Seen(boot.current(), None, None, None, cause, "boot", boot.trial().gave_up is B)

    found = facts(replace(TRYING, slot=B), seen, True, 3)

    assert decide(found).next is next_


def test_a_commit_keeps_the_length_and_changes_two_bytes(bench: TrybootBench, boot: BootControl) -> None:
    file = bench.folder / "autoboot.txt"
    before = file.read_bytes()
    boot.arm_trial(B)
    bench.enter()

    boot.commit(B)

    after = file.read_bytes()
    assert len(after) == 512
    assert [i for i in range(512) if before[i] != after[i]] == [TEXT.index("=2") + 1, TEXT.index("=3") + 1]
    assert (bench.folder / COPY).read_bytes() == after


def test_whatever_else_the_integrator_wrote_stays(bench: TrybootBench, boot: BootControl) -> None:
    file = bench.folder / "autoboot.txt"
    file.write_text("[all]\n# ours\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n")
    boot.arm_trial(B)
    bench.enter()

    boot.commit(B)

    assert file.read_text().startswith("[all]\n# ours\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=2\n")
    assert len(file.read_bytes()) == 512


@pytest.mark.parametrize(
    "left", [b"", b"\0" * 512, b"[all]\ntryboot_a_b=1\nboot_par", TEXT.replace("[tryboot]", "").encode()]
)
def test_a_file_that_fat_lost_is_made_whole_at_the_next_start_of_the_agent(
    bench: TrybootBench, boot: BootControl, left: bytes
) -> None:
    file = bench.folder / "autoboot.txt"
    file.write_text("[all]\n# ours\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n")
    boot.arm_trial(B)
    bench.enter()
    boot.commit(B)
    whole = file.read_bytes()
    file.write_bytes(left)

    assert (boot.primary(), boot.trial().slot, boot.state(B)) == (B, None, SlotState.GOOD), "what leads to a commit"
    boot.commit(B)

    assert file.read_bytes().rstrip(b"\n") == whole.rstrip(b"\n")


def test_a_file_that_we_never_wrote_and_do_not_understand_is_told(bench: TrybootBench, boot: BootControl) -> None:
    (bench.folder / "autoboot.txt").write_bytes(b"[pi5]\n")

    with pytest.raises(InstallFailed, match="does not try one of two partitions"):
        boot.primary()


def test_a_new_file_is_made_where_there_is_no_copy_either(bench: TrybootBench, boot: BootControl) -> None:
    (bench.folder / "autoboot.txt").write_bytes(b"")

    boot.commit(A)

    assert (bench.folder / "autoboot.txt").read_bytes() == TEXT.encode().ljust(512, b"\n")


def test_every_byte_at_which_a_commit_may_stop_leaves_a_slot_that_starts() -> None:
    before, after = (render(TEXT, *parts) for parts in ((2, 3), (3, 2)))

    for cut in range(513):
        torn = after[:cut] + before[cut:]
        assert parse(torn.decode()) in (Autoboot(2, 3), Autoboot(3, 3), Autoboot(3, 2))
        assert firmware.raspberry_pi(torn, 0).partition in (2, 3)


def test_a_firmware_without_the_tag_is_told(bench: TrybootBench, boot: BootControl) -> None:
    (bench.folder / "unsupported").touch()

    with pytest.raises(InstallFailed, match="vcmailbox ended with 255"):
        boot.arm_trial(B)


def test_a_firmware_that_takes_the_flag_and_forgets_it_had_no_effect(bench: TrybootBench, boot: BootControl) -> None:
    (bench.folder / "deaf").touch()

    boot.arm_trial(B)

    assert (boot.primary(), boot.trial()) == (A, BootTrial()), "what the agent calls switch_had_no_effect"


@pytest.mark.parametrize(
    "text", ["", "0x0", "0x1c 0x0 0x00030064 0x4 0x00000004 0x1 0x0", "no numbers at all in this one"]
)
def test_an_answer_that_is_none_is_refused(bench: TrybootBench, boot: BootControl, text: str) -> None:
    (bench.folder / "vcmailbox").write_text(f"#!/bin/sh\necho '{text}'\n")

    with pytest.raises(InstallFailed, match="mailbox does not answer"):
        boot.primary()


def test_the_committed_slot_cannot_be_tried(boot: BootControl) -> None:
    with pytest.raises(InstallFailed, match="can only try the other one"):
        boot.arm_trial(A)


def test_a_partition_that_is_no_slots_is_told(bench: TrybootBench, boot: BootControl) -> None:
    (bench.folder / "partition").write_bytes((7).to_bytes(4, "big"))

    with pytest.raises(InstallFailed, match=r"booted from partition 7, which is no slot's"):
        boot.current()


def test_an_old_bootloader_that_says_nothing_is_told(bench: TrybootBench, boot: BootControl) -> None:
    (bench.folder / "partition").unlink()

    with pytest.raises(InstallFailed, match="cannot be read") as caught:
        boot.current()
    assert "EEPROM" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("tryboot_a_b=1\n", ""),
        TEXT.replace("[tryboot]\n", ""),
        TEXT.replace("boot_partition=3\n", ""),
        TEXT.replace("boot_partition=2\n", "boot_partition=2\nboot_partition=3\n"),
        TEXT + "[pi5]\n",
        "config=x\n" + TEXT,
    ],
)
def test_a_file_that_says_anything_else_is_not_understood(text: str) -> None:
    assert parse(text) is None


def test_the_guards_command_takes_back_what_was_not_entered_yet(bench: TrybootBench, boot: BootControl) -> None:
    assert isinstance(boot, Commanded)
    commands = boot.way_back(A)
    boot.arm_trial(B)

    for command in commands * 2:
        subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin"}, capture_output=True)

    assert boot.primary() is A


def test_a_file_longer_than_a_sector_is_refused(bench: TrybootBench, boot: BootControl) -> None:
    (bench.folder / "autoboot.txt").write_text(TEXT + "#" * 500)
    bench.enter()

    with pytest.raises(InstallFailed):
        boot.current()
    assert isinstance(boot, NotedBoot)
