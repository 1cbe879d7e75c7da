from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import boots, guard
from surefoot_agent.reset_cause import Cause
from tests.agent.test_reset_cause import put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def state(tmp_path: Path, root: Path) -> Path:
    """A state folder that has seen boot-1."""
    folder = tmp_path / "state"
    folder.mkdir()
    boots.origin(folder, "boot-1", root)
    return folder


def test_a_boot_keeps_its_cause_though_the_agent_is_started_again_in_it(state: Path, root: Path) -> None:
    put(root, "sys/class/watchdog/watchdog0/bootstatus", "32")
    first = boots.origin(state, "boot-2", root)
    put(root, "sys/class/watchdog/watchdog0/bootstatus", "0")

    assert boots.origin(state, "boot-2", root) == first
    assert first.cause is Cause.WATCHDOG


def test_the_shutdown_units_mark_makes_a_restart_clean_once(state: Path, root: Path) -> None:
    (state / boots.SHUT_DOWN).write_text("boot-1\n")

    assert boots.origin(state, "boot-2", root).cause is Cause.CLEAN_RESTART
    assert boots.origin(state, "boot-3", root).cause is Cause.UNEXPLAINED


def test_an_agent_that_was_stopped_and_started_again_leaves_no_mark(state: Path, root: Path) -> None:
    boots.stopped(state, "boot-1")
    boots.origin(state, "boot-1", root)

    assert boots.origin(state, "boot-2", root).cause is Cause.UNEXPLAINED


def test_an_agent_that_was_stopped_with_the_machine_restarted_cleanly(state: Path, root: Path) -> None:
    boots.stopped(state, "boot-1")

    assert boots.origin(state, "boot-2", root).cause is Cause.CLEAN_RESTART


def test_a_panic_and_its_words_are_told_of_the_boot_after_it_only(state: Path, root: Path) -> None:
    put(root, "sys/fs/pstore/dmesg-ramoops-0", "Panic#1 Part1\nno camera")
    after = boots.origin(state, "boot-2", root)
    later = boots.origin(state, "boot-3", root)

    assert (after.cause, after.kernel_tail) == (Cause.PANIC, "Panic#1 Part1\nno camera")
    assert (later.cause, later.kernel_tail) == (Cause.UNEXPLAINED, "")


def test_dumps_older_than_the_first_start_belong_to_nobody(tmp_path: Path, root: Path) -> None:
    put(root, "sys/fs/pstore/dmesg-ramoops-0", "Panic#1 Part1\n")

    assert boots.origin(tmp_path, "boot-1", root).cause is Cause.UNEXPLAINED


@pytest.mark.parametrize("content", [b"", b"{", b'{"v": 9, "boot_id": "boot-1", "cause": "panic"}', b"\xff\xfe"])
def test_a_memory_that_cannot_be_read_is_no_memory(state: Path, root: Path, content: bytes) -> None:
    (state / boots.BOOTS).write_bytes(content)
    (state / boots.SHUT_DOWN).write_bytes(b"\xff\xfe")

    assert boots.origin(state, "boot-2", root).cause is Cause.UNEXPLAINED
    assert boots.origin(state, "boot-2", root).boot_id == "boot-2"


def test_a_full_disk_costs_the_explanation_and_not_the_start(
    state: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    put(root, "sys/class/watchdog/watchdog0/bootstatus", "32")
    monkeypatch.setattr(guard, "write_file", full)

    assert boots.origin(state, "boot-2", root).cause is Cause.WATCHDOG
    boots.stopped(state, "boot-2")
