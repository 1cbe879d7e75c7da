"""The guard alone, as its own process, brings every board back from a trial whose time is over."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.trial import TrialFile
from surefoot_agent.way_back import Commanded
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot.benches import BENCHES
from tests.agent.test_trial import TRIAL

pytestmark = [
    pytest.mark.needs("fw_printenv", "fw_setenv", "grub-editenv", "/usr/bin/efibootmgr"),
    pytest.mark.usefixtures("unsynced"),
]

A, B = SlotName.A, SlotName.B
BOARDS = [kind for kind in BENCHES if kind != "symlink"]
NOT_BEFORE = {"systemd-boot"}
"""Boards whose command takes back only what runs: what is armed is entered once, and that start's guard leads back."""


@pytest.mark.parametrize("entered", [False, True], ids=["before the restart", "on trial"])
@pytest.mark.parametrize("kind", BOARDS)
def test_a_trial_whose_time_is_over_is_left(kind: str, entered: bool, tmp_path: Path) -> None:
    folder, restart = tmp_path / "board", tmp_path / "restart"
    folder.mkdir()
    bench = BENCHES[kind](folder)
    restart.write_text(f"#!/bin/sh\necho restarted >> {tmp_path}/ran\n")
    restart.chmod(0o755)
    boot = bench.open()
    boot.commit(A)
    boot.set_state(B, SlotState.BAD)
    back = boot.way_back(A) if isinstance(boot, Commanded) else ()
    over = replace(
        TRIAL,
        machine=True,
        back=back,
        restart=((str(restart),),),
        deadline_boot_id=guard.boot_id(),
        deadline_monotonic=0.0,
        fallback=None,
    )
    TrialFile(folder).arm(over)
    boot.arm_trial(B)
    if entered:
        bench.enter()
        assert boot.current() is B

    command = [sys.executable, "-I", str(guard.__file__), "--component-dir", str(folder), "--once"]
    subprocess.run(command, check=True, capture_output=True, env={})

    assert (tmp_path / "ran").read_text() == "restarted\n"
    assert (guard.load_record(folder, "trial") or {})["verdict"] == "guard"
    bench.enter()
    if kind in NOT_BEFORE and not entered:
        guard.save_record(folder, "trial", {**guard.load_record(folder, "trial"), "back_boot_id": None})  # a new boot
        subprocess.run(command, check=True, capture_output=True, env={})
        bench.enter()
    assert (boot.current(), boot.primary()) == (A, A)
    assert boot.state(A) is SlotState.GOOD


def test_every_board_has_a_command_for_the_guard(tmp_path: Path) -> None:
    without = set()
    for kind in BOARDS:
        (tmp_path / kind).mkdir()
        boot = BENCHES[kind](tmp_path / kind).open()
        if not (isinstance(boot, Commanded) and boot.way_back(A)):
            without.add(kind)

    assert without == set()
