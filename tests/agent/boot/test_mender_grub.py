from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from surefoot_agent.boot.adopt import RECORD, adopt
from surefoot_agent.boot.mender_grub import BLOCK_BYTES, Pair, authority, variables
from surefoot_agent.boot.platform import observe
from surefoot_agent.boot.variables import MenderGrub
from surefoot_agent.components import ComponentSettings
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_agent.way_back import Commanded
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from surefoot_simulators.bootloader.mender_grub import encode
from tests.agent.boot.contract import BootContract
from tests.agent.boot.grub_benches import MenderGrubBench, mender_grub

pytestmark = pytest.mark.needs("grub-editenv")

A, B = SlotName.A, SlotName.B
TORN = (b"", b"# GRUB Environment Block\nmender_boot_part=3\n", b"junk" * 256)


@pytest.fixture
def bench(tmp_path: Path) -> MenderGrubBench:
    made = mender_grub(tmp_path)
    assert isinstance(made, MenderGrubBench)
    return made


@pytest.fixture
def boot(bench: MenderGrubBench) -> BootControl:
    return bench.open()


class TestContract(BootContract):
    marks = (SlotState.GOOD, SlotState.BAD)

    @pytest.fixture
    def bench(self, tmp_path: Path) -> MenderGrubBench:
        self._bench = mender_grub(tmp_path)
        assert isinstance(self._bench, MenderGrubBench)
        return self._bench

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


def test_a_trial_is_one_start_and_is_then_left(bench: MenderGrubBench, boot: BootControl) -> None:
    boot.commit(A)
    boot.arm_trial(B)
    entered = []

    for _ in range(2):
        bench.enter()
        entered.append(boot.current())

    assert entered == [B, A]
    assert boot.trial() == BootTrial(gave_up=B)


def test_both_blocks_and_locks_are_as_grubs_tool_and_menders_scripts_leave_them(
    bench: MenderGrubBench, boot: BootControl
) -> None:
    boot.arm_trial(B)

    for pair in bench.scripts.pairs:
        listed = [
            subprocess.run(["grub-editenv", str(file), "list"], capture_output=True, text=True, check=True).stdout
            for file in (pair.env, pair.lock)
        ]
        assert {"mender_boot_part=3", "upgrade_available=1", "bootcount=0"} <= set(listed[0].split())
        assert listed[1] == "editing=0\n"
        assert [file.stat().st_size for file in (pair.env, pair.lock)] == [BLOCK_BYTES, BLOCK_BYTES]


@pytest.mark.parametrize(("number", "file", "left"), list(itertools.product((0, 1), ("env", "lock"), TORN)))
def test_whatever_one_torn_file_holds_the_switch_is_the_one_before_and_is_made_whole(
    number: int, file: str, left: bytes, bench: MenderGrubBench, boot: BootControl
) -> None:
    boot.commit(A)
    boot.arm_trial(B)
    pair = bench.scripts.pairs[number]
    if file == "env":
        pair.lock.write_bytes(encode({"editing": "1"}))
    getattr(pair, file).write_bytes(left)

    assert (boot.primary(), boot.trial()) == (B, BootTrial(B, 1))
    boot.commit(A)

    assert (boot.primary(), boot.trial()) == (A, BootTrial())
    assert bench.environment.copies() == 2


@pytest.mark.parametrize("number", [0, 1])
def test_a_block_that_menders_scripts_could_not_restore_is_made_whole_at_the_next_start(
    number: int, bench: MenderGrubBench, boot: BootControl
) -> None:
    boot.commit(A)
    pair = bench.scripts.pairs[number]
    pair.lock.write_bytes(encode({"editing": "1"}))
    pair.env.write_bytes(b"")
    bench.enter()
    assert boot.current() is A

    boot.commit(A)

    assert bench.environment.copies() == 2
    bench.enter()
    assert boot.current() is A


@pytest.mark.parametrize("name", ["mender_boot_part", "upgrade_available", "bootcount"])
def test_blocks_without_menders_variables_are_not_believed_and_left_alone(
    name: str, bench: MenderGrubBench, boot: BootControl
) -> None:
    for pair in bench.scripts.pairs:
        pair.env.write_bytes(encode({n: v for n, v in variables(pair.env.read_bytes()).items() if n != name}))
    before = [file.read_bytes() for file in bench.media]

    for act in (lambda: boot.commit(A), lambda: boot.arm_trial(B), boot.primary):
        with pytest.raises(InstallFailed, match=r"not Mender's environment for GRUB: no copy of it is whole") as caught:
            act()

    assert "boot_files" in caught.value.hint
    assert [file.read_bytes() for file in bench.media] == before


@pytest.mark.parametrize(
    ("name", "value"), [("bootcount", "2"), ("upgrade_available", "yes"), ("mender_boot_part", "7")]
)
def test_values_that_menders_scripts_call_corrupt_are_a_problem(name: str, value: str) -> None:
    env = {"mender_boot_part": "2", "upgrade_available": "0", "bootcount": "0"}

    assert MenderGrub().problem(env) is None
    assert MenderGrub().problem({**env, name: value}) == f"{name} is {value!r}"


def test_the_guards_commands_lead_back(bench: MenderGrubBench, boot: BootControl) -> None:
    boot.commit(A)
    assert isinstance(boot, Commanded)
    commands = boot.way_back(A)
    boot.arm_trial(B)

    for command in commands * 2:
        assert command[0].startswith("/")
        subprocess.run(command, check=True, env={})

    assert boot.primary() is A
    bench.enter()
    assert (boot.current(), boot.trial()) == (A, BootTrial(gave_up=B))


def test_a_guard_that_dies_between_its_commands_leaves_a_machine_that_starts(
    bench: MenderGrubBench, boot: BootControl
) -> None:
    boot.commit(A)
    assert isinstance(boot, Commanded)
    commands = boot.way_back(A)
    boot.arm_trial(B)
    armed = [(file, file.read_bytes()) for file in bench.media]

    for done in range(1, len(commands)):
        for file, block in armed:
            file.write_bytes(block)
        for command in commands[:done]:
            subprocess.run(command, check=True, env={})
        said = boot.primary()
        bench.enter()
        assert boot.current() is said


def test_a_device_of_mender_is_taken_over_once_and_is_found_ready(bench: MenderGrubBench, tmp_path: Path) -> None:
    folders = [tmp_path / f"mender_grubenv{n}" for n in (1, 2)]
    for folder, pair in zip(folders, bench.scripts.pairs, strict=True):
        folder.mkdir()
        (folder / "env").write_bytes(pair.env.read_bytes())
        (folder / "lock").write_bytes(pair.lock.read_bytes())
    (tmp_path / "root/etc/mender").mkdir(parents=True)
    (tmp_path / "root/etc/mender/artifact_info").write_text("artifact_name=release-7\n")
    told = ComponentSettings("image", "grub", "mender", boot_files=" ".join(map(str, folders)), name="rootfs")
    boot = bench.open()

    (tmp_path / "data").mkdir()

    assert adopt(told, boot, tmp_path / "data", tmp_path / "root")

    assert (tmp_path / "data" / RECORD).read_text() == '{"A": "release-7"}'
    assert (boot.state(A), boot.state(B), boot.primary()) == (SlotState.GOOD, SlotState.BAD, A)
    assert observe(told, tmp_path / "data", tmp_path / "root").copies == 2
    (folders[1] / "env").write_bytes(b"")
    assert observe(told, tmp_path / "data", tmp_path / "root").copies == 1


@pytest.mark.parametrize(("editing", "number"), [((0, 0), 0), ((0, 1), 0), ((1, 1), 0), ((1, 0), 1)])
def test_grub_starts_from_the_first_block_unless_that_one_alone_was_being_written(
    editing: tuple[bool, bool], number: int
) -> None:
    assert authority(editing) == number


def test_a_pair_is_a_block_and_its_lock_in_one_folder() -> None:
    assert Pair.within(Path("/x")) == Pair(Path("/x/env"), Path("/x/lock"))
