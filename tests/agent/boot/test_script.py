from __future__ import annotations

import contextlib
import stat
import subprocess
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.boot.script import ScriptBoot
from surefoot_agent.boot.variables import Names
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_agent.way_back import Commanded
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot.benches import BENCHES, Bench
from tests.agent.boot.contract import BootContract

A, B = SlotName.A, SlotName.B
NAMES = Names("one", "two")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return BENCHES["script"](tmp_path)


@pytest.fixture
def boot(bench: Bench) -> BootControl:
    return bench.open()


class TestContract(BootContract):
    marks = (SlotState.GOOD, SlotState.GOOD)

    @pytest.fixture
    def boot(self, bench: Bench) -> BootControl:
        self._bench = bench
        return bench.open()

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


def test_everything_survives_a_new_process(bench: Bench, boot: BootControl) -> None:
    boot.set_state(B, SlotState.EMPTY)
    boot.set_state(B, SlotState.BAD)
    boot.arm_trial(B)

    again = bench.open()

    assert (again.state(B), again.trial(), again.primary()) == (SlotState.BAD, BootTrial(B), B)


def test_a_trial_that_the_bootloader_left_is_told(bench: Bench, boot: BootControl) -> None:
    boot.arm_trial(B)

    for _ in range(4):
        bench.enter()

    assert (boot.current(), boot.primary(), boot.trial()) == (A, A, BootTrial(gave_up=B))


def test_a_trial_that_was_left_by_order_is_not(bench: Bench, boot: BootControl) -> None:
    boot.arm_trial(B)
    bench.enter()
    boot.set_primary(A)

    assert boot.trial() == BootTrial()


def answering(folder: Path, text: str, timeout_s: float = 30.0, names: Names = NAMES) -> ScriptBoot:
    file = folder / "answers"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return ScriptBoot(file, names, folder / "app", timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 1", "ended with 1"),
        ("exit 0", "says ''"),
        ("echo three", "says 'three', which names no slot"),
        ("echo one; echo two", "names no slot"),
        ("echo one; exit 2", "ended with 2"),
        ("echo one; kill -9 $$", "ended with -9"),
    ],
)
def test_a_script_that_names_no_slot_is_told_and_not_guessed_from(tmp_path: Path, text: str, said: str) -> None:
    boot = answering(tmp_path, text)

    for ask in (boot.primary, boot.current):
        with pytest.raises(InstallFailed, match=said) as caught:
            ask()
        assert caught.value.kind == "boot_control_failed"


@pytest.mark.parametrize("word", ["", "empty", "GOOD", "good bad"])
def test_a_state_is_good_or_bad_and_nothing_else(tmp_path: Path, word: str) -> None:
    with pytest.raises(InstallFailed, match="neither good nor bad"):
        answering(tmp_path, f"echo '{word}'").state(A)


def test_a_script_that_hangs_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match=r"did not end within 0\.3 s"):
        answering(tmp_path, "sleep 60", timeout_s=0.3).primary()


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match="cannot be run"):
        ScriptBoot(tmp_path / "absent", NAMES, tmp_path).primary()


SILENT = 'case "$1" in get-primary|get-current) echo one;; get-state) echo good;; esac'


def test_a_switch_that_silently_does_nothing_reads_back_as_the_old_slot(tmp_path: Path) -> None:
    boot = answering(tmp_path, SILENT)

    boot.arm_trial(B)

    assert (boot.primary(), boot.trial()) == (A, BootTrial())


def test_a_commit_or_a_mark_that_silently_does_nothing_is_told(tmp_path: Path) -> None:
    boot = answering(tmp_path, SILENT)

    with pytest.raises(InstallFailed, match="set-primary had no effect"):
        boot.commit(B)
    with pytest.raises(InstallFailed, match="set-state had no effect"):
        boot.set_state(B, SlotState.BAD)
    assert boot.state(B) is SlotState.GOOD, "nothing is claimed that the script did not do"


def test_a_script_is_called_with_its_words_and_no_shell_reads_them(tmp_path: Path) -> None:
    odd = Names("$(touch stolen)", "; touch stolen")
    boot = answering(tmp_path, f'cd {tmp_path}; echo "$#|$1|$2|$3" >> calls; echo good', names=odd)

    boot.set_state(B, SlotState.GOOD)

    assert (tmp_path / "calls").read_text().splitlines() == [
        "3|set-state|; touch stolen|good",
        "2|get-state|; touch stolen|",
    ]
    assert not (tmp_path / "stolen").exists()


def test_the_command_line_of_the_kernel_is_believed_before_the_script(tmp_path: Path) -> None:
    boot = ScriptBoot(tmp_path / "absent", NAMES, tmp_path, current=lambda: B)

    assert boot.current() is B


def test_a_word_that_no_version_wrote_counts_as_bad(boot: BootControl, tmp_path: Path) -> None:
    guard.save_record(tmp_path, "boot", {"B": "sparkling"})

    assert boot.state(B) is SlotState.BAD


@pytest.mark.parametrize("write", [1, 2, 3, 4])
@pytest.mark.parametrize("act", ["arm", "commit", "bad", "good", "back"])
def test_a_script_that_is_killed_at_any_of_its_writes_is_asked_again(
    bench: Bench, boot: BootControl, act: str, write: int
) -> None:
    acts = {
        "arm": lambda: boot.arm_trial(B),
        "commit": lambda: boot.commit(B),
        "bad": lambda: boot.set_state(B, SlotState.BAD),
        "good": lambda: boot.set_state(B, SlotState.GOOD),
        "back": lambda: boot.set_primary(A),
    }
    boot.commit(A)
    boot.set_state(B, SlotState.BAD)
    if act in ("commit", "back"):
        boot.arm_trial(B)
    (bench.folder / "die_at").write_text(f"{write}\n")

    with contextlib.suppress(InstallFailed):  # an act of fewer writes than that ends well
        acts[act]()

    assert boot.primary() in (A, B)
    assert boot.state(A) is SlotState.GOOD
    (bench.folder / "die_at").unlink(missing_ok=True)
    acts[act]()
    ends = {"arm": (B, B), "commit": (B, None), "bad": (A, None), "good": (A, None), "back": (A, None)}
    assert (boot.primary(), boot.trial().slot) == ends[act]
    bench.enter()
    assert boot.current() is ends[act][0]


def test_the_guard_gets_the_scripts_own_verb_as_its_way_back(bench: Bench, boot: BootControl) -> None:
    assert isinstance(boot, Commanded)
    boot.arm_trial(B)
    bench.enter()

    for command in boot.way_back(A) * 2:
        subprocess.run(command, check=True, env={})

    bench.enter()
    assert (boot.current(), boot.trial()) == (A, BootTrial(gave_up=B))
