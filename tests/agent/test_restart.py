"""A restart is ordered of the machine's own init, and an init that refuses is told as such."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from surefoot_agent.restart import restart_and_wait, restart_machine
from surefoot_shared.errors import InstallFailed


def reboot(system: Path, script: str) -> Path:
    file = system / "sbin" / "reboot"
    file.parent.mkdir(parents=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return system


def refused(system: Path) -> InstallFailed:
    with pytest.raises(InstallFailed) as caught:
        restart_machine(system)
    assert caught.value.kind == "restart_failed"
    return caught.value


def test_the_machines_own_init_is_told(tmp_path: Path) -> None:
    restart_machine(reboot(tmp_path, f"echo told >> {tmp_path}/told"))

    assert (tmp_path / "told").read_text() == "told\n"


def test_an_order_that_init_ends_together_with_everything_else_was_taken(tmp_path: Path) -> None:
    assert restart_machine(reboot(tmp_path, "kill -TERM $$")) is None


def test_an_init_that_refuses_is_told_with_its_words(tmp_path: Path) -> None:
    error = refused(reboot(tmp_path, "echo Interactive authentication required. >&2; exit 1"))

    assert "Interactive authentication required" in error.message


def test_an_init_that_cannot_be_run_is_told_as_such(tmp_path: Path) -> None:
    system = reboot(tmp_path, "")
    (system / "sbin" / "reboot").write_text("#!/nowhere\n")

    assert "cannot be run" in refused(system).message


def test_a_machine_without_a_command_is_told_as_such(tmp_path: Path) -> None:
    assert "no command" in refused(tmp_path).message


def test_a_machine_that_stays_up_is_waited_for_only_so_long() -> None:
    ordered = []
    began = time.monotonic()

    restart_and_wait(lambda: ordered.append(1), limit_s=0.05)

    assert ordered == [1]
    assert time.monotonic() - began >= 0.05
