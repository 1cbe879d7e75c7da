from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from surefoot_agent.reset_cause import (
    CARD_RESET,
    DUMPS,
    EVIDENCE,
    KERNEL_TAIL_BYTES,
    OVERHEAT,
    PI_FILES,
    UNDER_VOLTAGE,
    Cause,
    Observed,
    Origin,
    dumps,
    judge,
    kernel_tail,
    observe,
)

NOW, BEFORE = "boot-2", "boot-1"


def seen(**facts: object) -> Observed:
    return Observed(NOW, BEFORE, **facts)  # type: ignore[arg-type]


def put(root: Path, name: str, content: bytes | str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def look(root: Path, marks: tuple[str, str] = ("", ""), known: frozenset[str] = frozenset()) -> Observed:
    return observe(NOW, BEFORE, marks, known, root)


# --- the judge --------------------------------------------------------------------------------------------------------


def test_the_same_boot_is_no_restart_whatever_the_registers_say() -> None:
    same = Observed(NOW, NOW, panic_dumped=True, watchdog_status=CARD_RESET, powered_on=True)

    assert judge(same) is Cause.APPLICATION_DIED


def test_no_evidence_is_unexplained_and_spares_nobody() -> None:
    assert judge(seen()) is Cause.UNEXPLAINED


def test_nothing_remembered_is_unexplained() -> None:
    assert judge(Observed(NOW, None, ram_console=True)) is Cause.UNEXPLAINED


def test_a_dump_of_a_panic_beats_every_register_and_mark() -> None:
    assert judge(seen(panic_dumped=True, shut_down=True, watchdog_status=CARD_RESET)) is Cause.PANIC


def test_an_ordered_shutdown_beats_a_watchdog_register_as_boards_reboot_by_their_watchdog() -> None:
    assert judge(seen(shut_down=True, watchdog_status=CARD_RESET, reasons=("watchdog",))) is Cause.CLEAN_RESTART


@pytest.mark.parametrize("reason", ["watchdog", "aowdt", "bccplexwdt", "wdg", "tegra_watchdog", "sensor", "therm"])
def test_what_boards_call_a_watchdog_or_heat_is_one(reason: str) -> None:
    assert judge(seen(reasons=(reason,))) is Cause.WATCHDOG


@pytest.mark.parametrize("reason", ["power on", "tegra_power_on_reset", "sys_reset_n", "por", "brownout"])
def test_what_boards_call_a_power_on_is_a_power_cut(reason: str) -> None:
    assert judge(seen(reasons=(reason,))) is Cause.POWER_CUT


@pytest.mark.parametrize("reason", ["sw main", "mainswrst", "rst", "unknown", "jtag"])
def test_a_reset_by_software_says_nothing_as_panics_end_so_too(reason: str) -> None:
    assert judge(seen(reasons=(reason,))) is Cause.UNEXPLAINED


@pytest.mark.parametrize(
    ("status", "cause"), [(CARD_RESET, "watchdog"), (OVERHEAT, "watchdog"), (UNDER_VOLTAGE, "power_cut")]
)
def test_the_watchdogs_boot_status_is_understood(status: int, cause: str) -> None:
    assert judge(seen(watchdog_status=status)) is Cause(cause)


def test_an_agent_that_was_stopped_is_weaker_evidence_than_a_power_on() -> None:
    assert judge(seen(agent_stopped=True)) is Cause.CLEAN_RESTART
    assert judge(seen(agent_stopped=True, powered_on=True)) is Cause.POWER_CUT


def test_ram_that_kept_the_console_was_not_without_power() -> None:
    assert judge(seen(ram_console=True, console_kept=True)) is Cause.WATCHDOG
    assert judge(seen(ram_console=True)) is Cause.POWER_CUT


def test_no_row_of_the_evidence_is_dead() -> None:
    flags = list(itertools.product((False, True), repeat=6))
    used = set()
    for dumped, down, stopped, kept, console, powered in flags:
        for status, reasons in itertools.product((0, CARD_RESET, UNDER_VOLTAGE), ((), ("wdt",), ("por",))):
            facts = Observed(NOW, BEFORE, down, stopped, dumped, kept, console, status, reasons, powered)
            used.add(next((i for i, (_, holds) in enumerate(EVIDENCE) if holds(facts)), None))

    assert used == {*range(len(EVIDENCE)), None}


# --- the observer -----------------------------------------------------------------------------------------------------


def test_a_machine_that_shows_nothing_is_looked_at_without_complaint(tmp_path: Path) -> None:
    assert look(tmp_path) == Observed(NOW, BEFORE)


def test_a_new_panic_is_told_from_one_that_was_there_before(tmp_path: Path) -> None:
    put(tmp_path, "sys/fs/pstore/dmesg-ramoops-0", "Panic#1 Part1\n<0>Kernel panic - not syncing: sysrq")
    assert look(tmp_path).panic_dumped

    known = frozenset(dump.mark for dump in dumps(tmp_path))
    assert not look(tmp_path, known=known).panic_dumped

    put(tmp_path, "sys/fs/pstore/dmesg-ramoops-0", "Panic#1 Part1\n<0>Kernel panic - not syncing: another")
    assert look(tmp_path, known=known).panic_dumped


def test_a_panic_that_systemd_put_away_is_found(tmp_path: Path) -> None:
    put(tmp_path, "var/lib/systemd/pstore/1700000000/dmesg-efi-170000000001001", "Panic#2 Part1\n")

    assert look(tmp_path).panic_dumped


def test_an_oops_that_the_kernel_survived_is_no_panic(tmp_path: Path) -> None:
    put(tmp_path, "sys/fs/pstore/dmesg-ramoops-0", "Oops#1 Part1\n")

    assert not look(tmp_path).panic_dumped


def test_marks_of_shutdown_and_agent_count_for_the_boot_before_only(tmp_path: Path) -> None:
    assert look(tmp_path, (BEFORE, "")).shut_down
    assert look(tmp_path, ("", BEFORE)).agent_stopped
    assert not look(tmp_path, ("boot-0", "boot-0")).shut_down


def test_the_registers_of_boards_are_read(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/watchdog/watchdog0/bootstatus", "32\n")
    put(tmp_path, "sys/class/watchdog/watchdog1/bootstatus", "garbage")
    put(tmp_path, "sys/devices/platform/bus@0/c360000.pmc/reset_reason", "AOWDT\n")
    put(tmp_path, "sys/devices/platform/7000e400.pmc/reset_reason", "POWER ON\n")
    put(tmp_path, "proc/device-tree/chosen/reset-source", b"WDG\0")
    put(tmp_path, PI_FILES[0], (0x1000).to_bytes(4, "big"))
    put(tmp_path, "sys/module/ramoops/parameters/console_size", "131072\n")

    found = look(tmp_path)

    assert found.reasons == ("power on", "aowdt", "wdg")
    assert (found.watchdog_status, found.powered_on, found.ram_console) == (32, True, True)


def test_a_pi_that_reboots_by_its_watchdog_was_not_reset_by_it(tmp_path: Path) -> None:
    put(tmp_path, PI_FILES[0], (0x20).to_bytes(4, "big"))

    assert judge(look(tmp_path)) is Cause.UNEXPLAINED


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "sys/fs/pstore/dmesg-ramoops-0.enc.z", b"\x78\x9c")
    (tmp_path / "sys/fs/pstore/dmesg-ramoops-1").symlink_to("/etc/shadow")
    (tmp_path / "sys/class/watchdog/watchdog0/bootstatus").mkdir(parents=True)

    assert (look(tmp_path), dumps(tmp_path)) == (Observed(NOW, BEFORE), [])


def test_a_kernel_that_dumped_in_a_loop_costs_a_bounded_look(tmp_path: Path) -> None:
    for number in range(3 * DUMPS):
        put(tmp_path, f"sys/fs/pstore/dmesg-ramoops-{number}", f"Panic#{number}")

    assert len(dumps(tmp_path)) <= DUMPS


def test_the_tail_is_of_the_panic_and_bounded(tmp_path: Path) -> None:
    put(tmp_path, "sys/fs/pstore/console-ramoops-0", "console")
    put(tmp_path, "sys/fs/pstore/dmesg-ramoops-0", b"Panic#1 Part1\n" + b"x" * 20_000 + b"\xff the end")

    tail = kernel_tail(dumps(tmp_path))

    assert tail.endswith("\ufffd the end")
    assert len(tail.encode()) <= KERNEL_TAIL_BYTES + 4
    assert kernel_tail([dump for dump in dumps(tmp_path) if dump.name.startswith("console")]) == "console"
    assert kernel_tail([]) == ""


def test_a_start_of_this_boot_was_not_ended_by_the_machine() -> None:
    origin = Origin(NOW, Cause.PANIC)

    assert origin.ended(NOW) is Cause.APPLICATION_DIED
    assert origin.ended(BEFORE) is origin.ended(None) is Cause.PANIC
