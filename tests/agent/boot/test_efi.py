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


class Spaced(EfiBench):
    names = Names("Surefoot A (NVMe)", "Surefoot B  2nd")


class TestContractWithSpacesInLabels(BootContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> EfiBench:
        self._bench = Spaced(tmp_path).factory()
        return self._bench

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


BOX_17 = """\
BootCurrent: 0003
Timeout: 1 seconds
BootOrder: 0003,0004,0000,0001,0002,2001
Boot0000* UEFI: PXE IPv4 Intel(R) I210 Gigabit  Network Connection
Boot0001* Windows Boot Manager
Boot0002  Surefoot A
Boot0003* Surefoot A
Boot0004* Surefoot B
Boot2001* EFI USB Device
Boot2002* EFI DVD/CDROM
MirroredPercentageAbove4G: 0.00
MirrorMemoryBelow4GB: false
"""
"""As version 17 shows a box whose factory was run twice; the older entry was put to sleep."""
BOX_18 = """\
BootNext: 0004
BootCurrent: 0003
Timeout: 0 seconds
BootOrder: 0003,0004,0000
Boot0000* UEFI: PXE IPv4 Intel(R) I210\tPciRoot(0x0)/Pci(0x1c,0x0)/MAC(00e04c680001,0)/IPv4(0.0.0.0,0,DHCP)..BO
Boot0003* Surefoot A\tHD(1,GPT,5f0c7a2e-1111-4c57,0x800,0x80000)/File(\\EFI\\surefoot a\\linux.efi)root=1
      dp: 04 01 2a 00 01 00 00 00 / 04 04 46 00
    data: 72 00 6f 00
Boot0004* Surefoot B\tHD(2,GPT,5f0c7a2e-1111-4c57-9d5a-1d8f7f4a0002,0x80800,0x80000)/File(\\EFI\\Surefoot A\\linux.efi)
Boot0005  Surefoot B old\tVenHw(99e275e7-75a0-4b37-a2e6-c5385e6c00cb)
"""
SPACED = Names("Surefoot A", "Surefoot B")


@pytest.mark.parametrize(("text", "following"), [(BOX_17, None), (BOX_18, "0004")], ids=["version 17", "version 18"])
def test_labels_with_spaces_are_read_whole_as_either_version_shows_them(text: str, following: str | None) -> None:
    found = parse(text, SPACED)

    assert found.numbers == {A: "0003", B: "0004"}
    assert (found.current, found.following, found.order[:2]) == ("0003", following, ("0003", "0004"))
    assert found.asleep == frozenset()


def test_a_label_that_only_begins_or_ends_like_a_slots_is_none() -> None:
    text = "BootOrder: 0001\nBoot0001* Surefoot A old\nBoot0002* My Surefoot A\nBoot0003* surefoot a\n"

    assert parse(text, SPACED).numbers == {}


def test_an_entry_that_is_not_active_is_told_apart() -> None:
    found = parse("BootOrder: 0001,0002\nBoot0001* Surefoot A\nBoot0002  Surefoot B\n", SPACED)

    assert found.asleep == {B}


def test_the_command_that_makes_a_lost_entry_again_quotes_its_label(tmp_path: Path) -> None:
    bench = Spaced(tmp_path).factory()
    next(tmp_path.glob("Boot0002-*")).unlink()

    with pytest.raises(InstallFailed, match="named Surefoot B  2nd") as caught:
        bench.open().primary()
    assert "--label 'Surefoot B  2nd'" in caught.value.hint
