from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_agent.boot import environment, tool
from surefoot_agent.boot.environment import Environment
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_agent.way_back import Commanded
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot import benches
from tests.agent.boot.benches import BENCHES, UBootBench
from tests.agent.boot.contract import BootContract

pytestmark = pytest.mark.needs("fw_printenv", "fw_setenv")

A, B = SlotName.A, SlotName.B
KINDS = ("surefoot", "rauc", "mender")


def made(kind: str, folder: Path) -> UBootBench:
    bench = BENCHES[kind](folder)
    assert isinstance(bench, UBootBench)
    return bench


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> UBootBench:
    return made(getattr(request, "param", "surefoot"), tmp_path)


@pytest.fixture
def boot(bench: UBootBench) -> BootControl:
    return bench.open()


class OnBench(BootContract):
    kind: str

    @pytest.fixture
    def bench(self, tmp_path: Path) -> UBootBench:
        self._bench = made(self.kind, tmp_path)
        return self._bench

    def enter(self, boot: BootControl) -> None:
        self._bench.enter()


class TestSurefoot(OnBench):
    kind = "surefoot"


class TestRauc(OnBench):
    kind, marks = "rauc", (SlotState.GOOD, SlotState.GOOD)


class TestMender(OnBench):
    kind, marks = "mender", (SlotState.GOOD, SlotState.BAD)


every_kind = pytest.mark.parametrize("bench", KINDS, indirect=True)


@every_kind
def test_a_trial_lasts_for_its_starts_and_is_then_left(bench: UBootBench, boot: BootControl) -> None:
    boot.commit(A)
    boot.set_state(B, SlotState.BAD)
    boot.arm_trial(B)
    entered, left = [], []

    for _ in range(4):
        bench.enter()
        entered.append(boot.current())
        left.append(boot.trial())

    assert entered == [B, B, B, A]
    assert [trial.tries_left for trial in left[:2]] == [2, 1]
    assert left[3] == BootTrial(gave_up=B)
    assert (boot.primary(), boot.state(B)) == (A, SlotState.BAD)


@every_kind
def test_the_last_start_of_a_trial_is_known_to_be_the_last(bench: UBootBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    for _ in range(3):
        bench.enter()

    assert (boot.current(), boot.primary()) == (B, A)


@every_kind
def test_a_committed_slot_is_never_left_for_its_starts_alone(bench: UBootBench, boot: BootControl) -> None:
    boot.set_state(B, SlotState.GOOD)

    for _ in range(20):
        bench.enter()
        boot.commit(A)

        assert (boot.current(), boot.primary()) == (A, A)


@every_kind
def test_arming_again_grants_every_start_anew(bench: UBootBench, boot: BootControl) -> None:
    boot.arm_trial(B)
    bench.enter()
    bench.enter()

    boot.arm_trial(B)

    assert boot.trial().tries_left == 3


@every_kind
def test_each_act_is_one_transaction(bench: UBootBench, boot: BootControl, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = tool.run
    monkeypatch.setattr(tool, "run", lambda argv, *given: (calls.append(argv[0]), real(argv, *given))[1])
    acts: list[Callable[[], None]] = [
        lambda: boot.set_state(B, SlotState.BAD),
        lambda: boot.arm_trial(B),
        lambda: boot.commit(B),
        lambda: boot.set_primary(A),
    ]

    for act in acts:
        calls.clear()
        act()
        assert calls.count("fw_setenv") == 1
        calls.clear()
        act()
        assert "fw_setenv" not in calls, "nothing changed, and something was written"


@every_kind
def test_every_other_variable_is_left_as_it_is(bench: UBootBench, boot: BootControl) -> None:
    env = bench.medium.read()
    assert env is not None
    bench.medium.write({**env, "ethaddr": "02:00:00:00:00:01", "spaced": " two  words = x "})

    boot.arm_trial(B)
    boot.commit(B)

    left = bench.medium.read() or {}
    assert (left["ethaddr"], left["spaced"]) == ("02:00:00:00:00:01", " two  words = x ")


@every_kind
@pytest.mark.parametrize("damage", ["empty", "noise", "wrong place"])
def test_a_wrong_place_is_noticed_before_anything_is_written(
    bench: UBootBench, boot: BootControl, damage: str, tmp_path: Path
) -> None:
    config, other = tmp_path / "fw_env.config", tmp_path / "other"
    other.write_bytes({"empty": bytes(0x2000), "noise": bytes(range(256)) * 32}.get(damage, bytes(0x2000)))
    if damage == "wrong place":
        Medium = type(bench.medium)
        Medium(other).format({"baudrate": "115200"})
    config.write_text(config.read_text().replace(str(bench.medium.path), str(other)))
    before = other.read_bytes()

    for act in (lambda: boot.set_primary(B), lambda: boot.commit(B), lambda: boot.arm_trial(B), boot.primary):
        with pytest.raises(InstallFailed, match="Nothing was written") as caught:
            act()
        assert caught.value.kind == "boot_control_failed"

    assert other.read_bytes() == before
    assert boot.current() is A


def test_a_default_environment_of_the_distribution_does_not_pass_for_one(
    bench: UBootBench, boot: BootControl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tools would take it in silence, and write it to whatever fw_env.config leads to."""
    default = tmp_path / "u-boot-initial-env"
    default.write_text("surefoot_canary=1\nsurefoot_slot=A\n")
    bench.medium.path.write_bytes(bytes(0x2000))

    with pytest.raises(InstallFailed, match="no copy of it is whole"):
        boot.primary()
    monkeypatch.setattr(environment, "NO_DEFAULTS", ("-f", str(default)))
    assert boot.primary() is A, "without -f /dev/null the default counts: what is tested here can go wrong"


def test_a_damaged_newer_copy_leaves_the_one_before(bench: UBootBench, boot: BootControl) -> None:
    boot.set_state(A, SlotState.GOOD)
    before = bench.medium.path.read_bytes()
    boot.set_state(B, SlotState.BAD)
    raw = bytearray(bench.medium.path.read_bytes())
    newer = next(i for i in (0, 1) if raw[i * 0x1000 : (i + 1) * 0x1000] != before[i * 0x1000 : (i + 1) * 0x1000])
    raw[newer * 0x1000 + 40] ^= 1
    bench.medium.path.write_bytes(raw)

    assert (boot.state(A), boot.state(B), boot.primary()) == (SlotState.GOOD, SlotState.EMPTY, A)


def test_what_does_not_read_back_is_said(boot: BootControl, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tool.run
    monkeypatch.setattr(tool, "run", lambda argv, *given: "" if argv[0] == "fw_setenv" else real(argv, *given))

    with pytest.raises(InstallFailed, match=r"does not read back: surefoot_left, surefoot_try"):
        boot.arm_trial(B)


def test_a_bootloader_that_left_the_committed_slot_by_itself_is_told(bench: UBootBench, boot: BootControl) -> None:
    boot.commit(A)
    boot.arm_trial(B)
    bench.enter()
    boot.commit(B)

    for _ in range(9):
        bench.enter()

    assert (boot.current(), boot.primary(), boot.trial().gave_up) == (A, A, B)
    assert (boot.state(A), boot.state(B)) == (SlotState.GOOD, SlotState.BAD)


def test_what_is_committed_is_durable_before_the_call_returns(
    bench: UBootBench, boot: BootControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(Environment, "sync", lambda self: synced.append(bench.medium.path.read_bytes()))

    boot.commit(A)
    boot.commit(A)

    assert synced == [bench.medium.path.read_bytes()] * 2


def test_benches_play_the_bootloader_of_their_kind(tmp_path: Path) -> None:
    flows = {kind: made(kind, _made(tmp_path / kind)).flow for kind in KINDS}

    assert len({str(flow) for flow in flows.values()}) == len(KINDS)
    assert benches.BENCHES.keys() >= set(KINDS)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_every_act_reads_and_writes_under_the_trial_lock(
    bench: UBootBench, boot: BootControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    real = tool.run

    def run(argv: tuple[str, ...], *given: str) -> str:
        with (bench.folder / "trial.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                held.append(False)
            except BlockingIOError:
                held.append(True)
        return real(argv, *given)

    boot.commit(A)
    monkeypatch.setattr(tool, "run", run)
    boot.set_state(B, SlotState.BAD)
    boot.arm_trial(B)
    boot.commit(B)
    boot.set_primary(A)

    assert held
    assert all(held)


@every_kind
def test_the_guard_gets_one_fixed_command_that_leads_back(bench: UBootBench, boot: BootControl) -> None:
    boot.commit(A)
    boot.set_state(B, SlotState.BAD)
    assert isinstance(boot, Commanded)
    commands = boot.way_back(A)
    boot.arm_trial(B)
    bench.enter()
    assert (boot.current(), boot.primary()) == (B, B)

    for command in commands * 2:
        assert command[0].startswith("/")
        subprocess.run(command, check=True, env={})

    assert boot.primary() is A
    bench.enter()
    assert (boot.current(), boot.trial(), boot.state(A)) == (A, BootTrial(gave_up=B), SlotState.GOOD)


@every_kind
def test_the_way_back_changes_nothing_where_nothing_is_on_trial(bench: UBootBench, boot: BootControl) -> None:
    boot.commit(A)
    assert isinstance(boot, Commanded)

    for command in boot.way_back(A):
        subprocess.run(command, check=True, env={})

    assert (boot.primary(), boot.state(A)) == (A, SlotState.GOOD)
    bench.enter()
    assert boot.current() is A


def test_without_the_tool_there_is_no_command(boot: BootControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "PATH", "/absent")
    assert isinstance(boot, Commanded)

    assert boot.way_back(A) == ()
