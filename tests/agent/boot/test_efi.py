from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from surefoot_agent.boot.efi import parse
from surefoot_agent.boot.variables import Names
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_agent.way_back import Commanded
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName
from tests.agent.boot.benches import EfiBench, efi
from tests.agent.boot.contract import BootContract

pytestmark = pytest.mark.needs("/usr/bin/efibootmgr")

A, B = SlotName.A, SlotName.B
NAMES = Names("slot_a", "slot_b")


@pytest.fixture
def bench(tmp_path: Path) -> EfiBench:
    made = efi(tmp_path)
    assert isinstance(made, EfiBench)
    return made


@pytest.fixture
def boot(bench: EfiBench) -> BootControl:
    return bench.open()


class TestContract(BootContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> EfiBench:
        made = efi(tmp_path)
        assert isinstance(made, EfiBench)
        self._bench = made
        return made

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


def shown(bench: EfiBench) -> str:
    return subprocess.run([bench.folder / "efibootmgr"], capture_output=True, text=True, check=True).stdout


def test_a_trial_is_one_start(bench: EfiBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    assert "BootNext: 0002" in shown(bench)
    bench.enter()
    assert (boot.current(), boot.trial()) == (B, BootTrial(B, 0))

    bench.enter()

    assert (boot.current(), boot.trial()) == (A, BootTrial(gave_up=B))


def test_a_commit_changes_the_order_of_our_entries_only(bench: EfiBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    bench.enter()

    boot.commit(B)

    assert "BootOrder: 0002,0001,0007" in shown(bench)


def test_nothing_is_written_where_nothing_changes(bench: EfiBench, boot: BootControl) -> None:
    """The memory of a firmware wears."""
    before = {path.name: path.stat().st_mtime_ns for path in bench.folder.glob("Boot*")}

    for _ in range(3):
        boot.commit(A)

    assert {path.name: path.stat().st_mtime_ns for path in bench.folder.glob("Boot*")} == before


def test_an_entry_that_the_firmware_dropped_is_told(bench: EfiBench, boot: BootControl) -> None:
    next(bench.folder.glob("Boot0002-*")).unlink()

    with pytest.raises(InstallFailed, match="no boot entry named slot_b") as caught:
        boot.arm_trial(B)
    assert "efibootmgr --create-only --label slot_b" in caught.value.hint


def test_a_firmware_that_reordered_is_told_to_the_agent_by_what_is_entered(bench: EfiBench, boot: BootControl) -> None:
    bench.variable("BootOrder", bytes((7, 0, 2, 0, 1, 0)))

    assert boot.primary() is B


def test_a_full_firmware_is_told(bench: EfiBench, boot: BootControl) -> None:
    (bench.folder / "full").touch()

    with pytest.raises(InstallFailed, match="No space left on device"):
        boot.arm_trial(B)


def test_a_firmware_that_forgets_is_seen(bench: EfiBench, boot: BootControl) -> None:
    (bench.folder / "ignored").touch()

    boot.arm_trial(B)

    assert (boot.primary(), boot.trial()) == (A, BootTrial()), "what the agent calls switch_had_no_effect"
    with pytest.raises(InstallFailed, match="Setting BootOrder had no effect"):
        boot.commit(B)


def test_an_entry_that_is_no_slots_is_told(bench: EfiBench, boot: BootControl) -> None:
    bench.variable("BootCurrent", bytes((7, 0)))

    with pytest.raises(InstallFailed, match=r"started entry 0007, which is no slot's"):
        boot.current()


def test_an_order_without_our_entries_is_told(bench: EfiBench, boot: BootControl) -> None:
    bench.variable("BootOrder", bytes((7, 0)))

    with pytest.raises(InstallFailed, match="BootOrder names neither"):
        boot.primary()


def test_the_guards_command_takes_back_what_was_not_entered_yet(bench: EfiBench, boot: BootControl) -> None:
    assert isinstance(boot, Commanded)
    commands = boot.way_back(A)
    boot.arm_trial(B)

    for command in commands:
        subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin"})

    assert boot.primary() is A


@pytest.mark.parametrize(
    "tail", ["", "\tHD(2,GPT,00000000-0000-0000-0000-000000000000,0x800,0x1000)/File(\\EFI\\a.efi)"]
)
def test_the_outputs_of_old_and_new_versions_are_read(tail: str) -> None:
    facts = "BootNext: 000A\nBootCurrent: 0001\nTimeout: 1 seconds\nBootOrder: 0001,000A"
    text = f"{facts}\nBoot0001* slot_a{tail}\nBoot000A  slot_b{tail}\n"

    found = parse(text, NAMES)

    assert (found.numbers, found.current, found.following) == ({A: "0001", B: "000A"}, "0001", "000A")
    assert found.order == ("0001", "000A")


def test_of_two_entries_with_one_label_the_first_counts() -> None:
    found = parse("BootOrder: 0001\nBoot0001* slot_a\nBoot0005* slot_a\n", NAMES)

    assert found.numbers == {A: "0001"}
