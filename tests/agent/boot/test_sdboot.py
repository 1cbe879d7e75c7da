from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from surefoot_agent.boot.sdboot import parse
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_agent.way_back import Commanded
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName
from tests.agent.boot.benches import SystemdBootBench, systemd_boot
from tests.agent.boot.contract import BootContract

A, B = SlotName.A, SlotName.B


@pytest.fixture
def bench(tmp_path: Path) -> SystemdBootBench:
    made = systemd_boot(tmp_path)
    assert isinstance(made, SystemdBootBench)
    return made


@pytest.fixture
def boot(bench: SystemdBootBench) -> BootControl:
    return bench.open()


class TestContract(BootContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> SystemdBootBench:
        made = systemd_boot(tmp_path)
        assert isinstance(made, SystemdBootBench)
        self._bench = made
        return made

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


def entries(bench: SystemdBootBench) -> set[str]:
    return {path.name for path in bench.folder.glob("surefoot-*")}


def test_a_trial_lasts_for_its_starts_and_its_entry_is_the_last_then(
    bench: SystemdBootBench, boot: BootControl
) -> None:
    boot.arm_trial(B)
    entered, names = [], []

    for _ in range(4):
        bench.enter()
        entered.append(boot.current())
        names.append(next(name for name in entries(bench) if "-b" in name))

    assert entered == [B, B, B, A]
    assert names == ["surefoot-3-b+2-1.conf", "surefoot-3-b+1-2.conf", "surefoot-3-b+0-3.conf", "surefoot-3-b+0-3.conf"]
    assert boot.trial() == BootTrial(gave_up=B)


def test_a_commit_takes_the_count_away_as_systemd_bless_boot_does(bench: SystemdBootBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    bench.enter()

    boot.commit(B)

    assert entries(bench) == {"surefoot-2-a.conf", "surefoot-3-b.conf"}


def test_the_way_back_puts_the_other_entry_first(bench: SystemdBootBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    bench.enter()

    boot.set_primary(A)

    assert entries(bench) == {"surefoot-4-a.conf", "surefoot-3-b+2-1.conf"}


def test_the_text_of_an_entry_is_never_touched(bench: SystemdBootBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    bench.enter()
    boot.commit(B)

    assert (bench.folder / "surefoot-3-b.conf").read_text() == "options surefoot.slot=b\n"


def test_a_rename_that_was_cut_and_left_both_names_counts_as_done(bench: SystemdBootBench, boot: BootControl) -> None:
    (bench.folder / "surefoot-3-b+3.conf").write_text("half")

    assert (boot.primary(), boot.trial()) == (B, BootTrial(B, 3))
    boot.arm_trial(B)

    assert entries(bench) == {"surefoot-2-a.conf", "surefoot-4-b+3.conf"}


def test_entries_of_others_are_left_alone(bench: SystemdBootBench, boot: BootControl) -> None:
    (bench.folder / "debian-6.1.conf").write_text("title Debian\n")
    (bench.folder / "surefoot-9-rescue.conf").write_text("title Rescue\n")

    boot.arm_trial(B)

    assert {"debian-6.1.conf", "surefoot-9-rescue.conf"} <= {path.name for path in bench.folder.iterdir()}


def test_a_slot_without_an_entry_is_told(bench: SystemdBootBench, boot: BootControl) -> None:
    (bench.folder / "surefoot-1-b.conf").unlink()

    with pytest.raises(InstallFailed, match="no entry of slot b") as caught:
        boot.primary()
    assert "surefoot-1-b.conf" in caught.value.hint


def test_a_folder_that_is_not_mounted_is_told(bench: SystemdBootBench, boot: BootControl) -> None:
    for path in bench.folder.glob("surefoot-*"):
        path.unlink()

    with pytest.raises(InstallFailed, match="no entry of slot a or b"):
        boot.primary()


def test_the_guard_uses_systemds_own_word_where_it_is_installed(bench: SystemdBootBench, boot: BootControl) -> None:
    assert isinstance(boot, Commanded)
    boot.arm_trial(B)
    bench.enter()
    (command,) = boot.way_back(A)

    for _ in range(2):
        subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin"})

    assert entries(bench) == {"surefoot-2-a.conf", "surefoot-3-b+0-1.conf"}
    bench.enter()
    assert boot.current() is A
    (bench.folder / "systemd-bless-boot").unlink()
    assert boot.way_back(A) == ()


@pytest.mark.parametrize(
    ("name", "number", "slot", "left"),
    [
        ("surefoot-12-a.conf", 12, "a", None),
        ("surefoot-13-b+3.conf", 13, "b", 3),
        ("surefoot-13-b+2-1.efi", 13, "b", 2),
        ("surefoot-13-b+0-3.conf", 13, "b", 0),
    ],
)
def test_a_name_says_everything(name: str, number: int, slot: str, left: int | None) -> None:
    entry = parse(name)

    assert entry is not None
    assert (entry.number, entry.name, entry.left) == (number, slot, left)


@pytest.mark.parametrize("name", ["surefoot-a.conf", "surefoot-1-a.txt", "surefoot-1-a+.conf", "debian+3.conf"])
def test_any_other_name_is_not_ours(name: str) -> None:
    assert parse(name) is None
