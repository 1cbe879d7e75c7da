from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from surefoot_agent.boot.jetson import ON_TRIAL, UNBOOTABLE
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_agent.way_back import Commanded
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot.benches import JetsonBench, jetson
from tests.agent.boot.contract import BootContract

A, B = SlotName.A, SlotName.B
DEFER = Path(__file__).parents[3] / "packaging/jetson/surefoot-defer-verify"


@pytest.fixture
def bench(tmp_path: Path) -> JetsonBench:
    made = jetson(tmp_path)
    assert isinstance(made, JetsonBench)
    return made


@pytest.fixture
def boot(bench: JetsonBench) -> BootControl:
    return bench.open()


class TestContract(BootContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> JetsonBench:
        made = jetson(tmp_path)
        assert isinstance(made, JetsonBench)
        self._bench = made
        return made

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


@pytest.mark.slow
class TestContractOfTheBootChain(BootContract):
    """A board that was flashed without redundant roots: root and firmware switch together."""

    @pytest.fixture
    def boot(self, tmp_path: Path) -> BootControl:
        self._bench = JetsonBench(tmp_path).factory(redundancy=0)
        return self._bench.open()

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


def test_a_trial_lasts_for_the_firmwares_starts_and_the_slot_is_unbootable_then(
    bench: JetsonBench, boot: BootControl
) -> None:
    boot.commit(A)
    boot.arm_trial(B)
    entered = []

    for _ in range(4):
        bench.enter()
        entered.append(boot.current())

    assert entered == [B, B, B, A]
    assert (boot.primary(), boot.trial()) == (A, BootTrial(gave_up=B))


def test_a_slot_that_ran_out_of_starts_is_not_entered_before_a_cold_start_and_that_is_seen(
    bench: JetsonBench, boot: BootControl
) -> None:
    boot.arm_trial(B)
    for _ in range(4):
        bench.enter()
    boot.commit(A)

    boot.arm_trial(B)

    assert (boot.primary(), boot.trial().slot) == (A, None), "what the agent calls switch_had_no_effect"
    bench.lose_power()
    assert boot.current() is B, "its status was set to normal, so its starts are filled up"


def test_a_status_that_is_not_cleared_refuses_the_slot_for_ever(bench: JetsonBench, boot: BootControl) -> None:
    """What the tool alone does: the order is taken, and the cold start gives the slot no start."""
    bench.variable("RootfsStatusSlotB", UNBOOTABLE)
    subprocess.run([bench.folder / "nvbootctrl", "-t", "rootfs", "set-active-boot-slot", "1"], check=True)

    bench.lose_power()

    assert boot.current() is A


def test_after_a_cold_start_the_firmware_does_not_fall_into_a_slot_that_is_being_written(
    bench: JetsonBench, boot: BootControl
) -> None:
    boot.set_state(B, SlotState.BAD)
    bench.lose_power()
    bench.enter()
    bench.enter()

    with pytest.raises(AssertionError, match="recovery kernel"):
        bench.enter()


def test_an_order_that_has_no_effect_is_seen(bench: JetsonBench, boot: BootControl) -> None:
    (bench.folder / "noop").touch()

    boot.arm_trial(B)

    assert (boot.primary(), boot.trial()) == (A, BootTrial()), "what the agent calls switch_had_no_effect"
    with pytest.raises(InstallFailed, match="set-active-boot-slot had no effect"):
        boot.set_primary(B)


def test_without_redundant_roots_the_boot_chain_is_switched(tmp_path: Path) -> None:
    bench = JetsonBench(tmp_path).factory(redundancy=0)
    boot = bench.open()
    before = (tmp_path / "active").read_text()
    subprocess.run([tmp_path / "nvbootctrl", "-t", "rootfs", "set-active-boot-slot", "1"], check=True)
    assert (tmp_path / "active").read_text() == before, "the root's own order does nothing on such a board"

    boot.arm_trial(B)
    bench.enter()

    assert boot.current() is B


def test_a_committed_slot_is_verified_at_each_start_and_never_dies_of_them(
    bench: JetsonBench, boot: BootControl
) -> None:
    for _ in range(10):
        bench.enter()
        boot.commit(A)

    assert boot.current() is A
    assert (bench.folder / "retry_0").read_text() == "3\n"


def test_a_slot_on_trial_is_not_verified(bench: JetsonBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    bench.enter()

    boot.trial()
    boot.set_state(A, SlotState.GOOD)

    assert (bench.folder / "retry_1").read_text() == "2\n"


def test_the_stock_unit_is_deferred_on_trial_and_runs_at_any_other_time(bench: JetsonBench, boot: BootControl) -> None:
    def runs() -> bool:
        words = [DEFER, bench.folder / ON_TRIAL]
        return subprocess.run(words, env={"PATH": f"{bench.folder}:/usr/bin:/bin"}, check=False).returncode == 0

    said = [runs()]
    boot.arm_trial(B)
    said.append(runs())
    bench.enter()
    said.append(runs())
    for _ in range(3):
        bench.enter()
    said.append(runs())
    boot.arm_trial(B)
    bench.lose_power()
    boot.commit(B)
    said.append(runs())
    (bench.folder / "nvbootctrl").unlink()
    said.append(runs())

    assert said == [True, True, False, True, True, True]


@pytest.mark.parametrize("answer", ["", "7", "B", "0 1"])
def test_an_answer_that_names_no_slot_is_refused(bench: JetsonBench, boot: BootControl, answer: str) -> None:
    (bench.folder / "nvbootctrl").write_text(f"#!/bin/sh\necho '{answer}'\n")

    for question in (boot.current, boot.primary):
        with pytest.raises(InstallFailed, match="nvbootctrl"):
            question()


def test_a_variable_that_the_firmware_locks_is_told(bench: JetsonBench, boot: BootControl) -> None:
    """A file system that refuses the write, as efivarfs does with EINVAL."""
    bench.variable("RootfsStatusSlotB", UNBOOTABLE)
    file = next(bench.folder.glob("RootfsStatusSlotB-*"))
    content = file.read_bytes()
    file.unlink()
    file.symlink_to("/proc/self/mem")
    with pytest.raises((InstallFailed, OSError)):
        boot.arm_trial(B)
    file.unlink()
    file.write_bytes(content)

    assert boot.primary() is A


def test_the_guards_command_leads_back(bench: JetsonBench, boot: BootControl) -> None:
    boot.commit(A)
    assert isinstance(boot, Commanded)
    commands = boot.way_back(A)
    boot.arm_trial(B)
    bench.enter()

    for command in commands * 2:
        subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin"})

    bench.enter()
    assert boot.current() is A


def test_what_the_firmware_says_counts_where_we_never_marked(bench: JetsonBench, boot: BootControl) -> None:
    bench.variable("RootfsStatusSlotB", UNBOOTABLE)

    assert (boot.state(A), boot.state(B)) == (SlotState.EMPTY, SlotState.BAD)
