from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from surefoot_agent.boot import tool
from surefoot_agent.boot.grub import ORDER, SIGNATURE, Copy, GrubEnvironment, decode, newer
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_agent.way_back import Commanded
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot.contract import BootContract
from tests.agent.boot.grub_benches import GrubBench, grub

pytestmark = pytest.mark.needs("grub-editenv")

A, B = SlotName.A, SlotName.B


@pytest.fixture
def bench(tmp_path: Path) -> GrubBench:
    made = grub(tmp_path)
    assert isinstance(made, GrubBench)
    return made


@pytest.fixture
def boot(bench: GrubBench) -> BootControl:
    return bench.open()


class TestContract(BootContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> GrubBench:
        self._bench = grub(tmp_path)
        assert isinstance(self._bench, GrubBench)
        return self._bench

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


def test_a_trial_lasts_for_its_starts_and_is_then_left(bench: GrubBench, boot: BootControl) -> None:
    boot.commit(A)
    boot.arm_trial(B)
    entered = []

    for _ in range(4):
        bench.enter()
        entered.append(boot.current())

    assert entered == [B, B, B, A]
    assert (boot.trial(), boot.state(B)) == (BootTrial(gave_up=B), SlotState.BAD)


def test_a_change_goes_to_the_older_copy_and_leaves_the_newer(bench: GrubBench, boot: BootControl) -> None:
    for state in (SlotState.BAD, SlotState.GOOD, SlotState.EMPTY, SlotState.GOOD):
        before = [path.read_bytes() for path in bench.copies.paths]
        boot.set_state(B, state)

        after = [path.read_bytes() for path in bench.copies.paths]
        assert [old == new for old, new in zip(before, after, strict=True)].count(True) == 1
        assert all(len(block) == 1024 for block in after)


@pytest.mark.parametrize("left", [b"", SIGNATURE, b"junk" * 256, b"half"])
def test_a_copy_that_an_ended_tool_left_torn_is_passed_over_and_made_anew(
    bench: GrubBench, boot: BootControl, left: bytes
) -> None:
    boot.commit(A)
    before = [path.read_bytes() for path in bench.copies.paths]
    boot.arm_trial(B)
    torn = next(path for path, was in zip(bench.copies.paths, before, strict=True) if path.read_bytes() != was)
    torn.write_bytes(left)

    assert (boot.primary(), boot.trial()) == (A, BootTrial())
    boot.arm_trial(B)

    assert (boot.primary(), len(torn.read_bytes())) == (B, 1024)


def test_what_grub_never_wrote_is_not_believed(bench: GrubBench, boot: BootControl) -> None:
    bench.copies.format()
    before = [path.read_bytes() for path in bench.copies.paths]

    for act in (lambda: boot.commit(A), lambda: boot.arm_trial(B), boot.primary):
        with pytest.raises(InstallFailed, match=r"not GRUB's environment: no copy of it is whole") as caught:
            act()

    assert "boot_files" in caught.value.hint
    assert [path.read_bytes() for path in bench.copies.paths] == before


def test_a_missing_file_is_not_made_by_looking(tmp_path: Path) -> None:
    assert GrubEnvironment((tmp_path / "one", tmp_path / "two")).read() == {}
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_read_back_is_said(boot: BootControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "run", lambda argv, *given: "")

    with pytest.raises(InstallFailed, match=r"does not read back: surefoot_left, surefoot_try"):
        boot.arm_trial(B)


def test_the_guards_commands_lead_back(bench: GrubBench, boot: BootControl) -> None:
    boot.commit(A)
    assert isinstance(boot, Commanded)
    commands = boot.way_back(A)
    boot.arm_trial(B)
    bench.enter()

    for command in commands * 2:
        assert command[0].startswith("/")
        subprocess.run(command, check=True, env={})

    assert boot.primary() is A
    bench.enter()
    assert (boot.current(), boot.trial()) == (A, BootTrial(gave_up=B))


@pytest.mark.parametrize("torn", [0, 1])
def test_a_guard_that_dies_in_the_middle_of_a_copy_leaves_a_machine_that_starts(
    torn: int, bench: GrubBench, boot: BootControl
) -> None:
    boot.commit(A)
    assert isinstance(boot, Commanded)
    commands = boot.way_back(A)
    boot.arm_trial(B)
    bench.enter()

    for command in commands[:torn]:
        subprocess.run(command, check=True, env={})
    bench.copies.paths[torn].write_bytes(b"")

    assert boot.primary() in (A, B)
    bench.enter()
    for command in commands:
        subprocess.run(command, check=False, env={}, capture_output=True)
    bench.enter()
    assert boot.current() is A


@pytest.mark.parametrize(
    ("turns", "number"), [((0, 1), 1), ((1, 2), 1), ((2, 0), 1), ((1, 0), 0), ((0, 2), 0), ((1, 1), 0)]
)
def test_the_copy_that_follows_the_other_is_newer(turns: tuple[int, int], number: int) -> None:
    found = newer([_copy(n, turn) for n, turn in enumerate(turns)])

    assert found is not None
    assert found.number == number


def test_a_copy_that_does_not_end_as_it_began_is_none() -> None:
    whole = SIGNATURE + b"surefoot_begin=1\nsurefoot_slot=A\nsurefoot_end=1\n###"

    assert decode(0, whole) is not None
    assert decode(0, whole.replace(b"end=1", b"end=0")) is None
    assert decode(0, whole.replace(b"=1", b"=7")) is None
    assert decode(0, whole[:-5]) is None, "a line that is not ended is none for GRUB"
    assert decode(0, whole[len(SIGNATURE) :]) is None


def test_all_variables_of_a_copy_fit_into_one_sector() -> None:
    longest = dict.fromkeys(ORDER, "empty")

    assert len(SIGNATURE) + 70 + sum(len(f"{name}={value}\n") for name, value in longest.items()) <= 512


def _copy(number: int, turn: int) -> Copy | None:
    return decode(number, SIGNATURE + f"surefoot_begin={turn}\nsurefoot_end={turn}\n".encode())
