"""The agent ends itself only where its launcher starts another, and claims a slot only where the kernel agrees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.itself.application import LAUNCHED, OwnAgent
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName
from tests.agent.trees import install, release

A, B = SlotName.A, SlotName.B
FILES = {"bin/python3": b"an interpreter"}


class Ends(BaseException):
    """Where the process would end."""


def end() -> None:
    raise Ends


@pytest.fixture
def slots(tmp_path: Path) -> DirectorySlots:
    made = DirectorySlots(tmp_path, 0, 0)
    install(made, B, release(FILES, executable=("bin/python3",)), FILES)
    guard.point_current(tmp_path, "B")
    return made


def own(tmp_path: Path, slots: DirectorySlots) -> OwnAgent:
    return OwnAgent(tmp_path, slots, end)


def record(tmp_path: Path, slot: str, pid: int) -> None:
    ticks = guard.start_ticks(pid) or 0
    guard.keep_application(tmp_path, guard.AppRecord("start-1", pid, ticks, guard.boot_id(), slot, (), "/"))


def test_another_slot_is_started_by_ending_this_process(
    tmp_path: Path, slots: DirectorySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAUNCHED, "A")

    with pytest.raises(Ends):
        own(tmp_path, slots).start(B, slots.installed(B))


def test_without_a_launcher_nothing_is_ended(tmp_path: Path, slots: DirectorySlots) -> None:
    with pytest.raises(InstallFailed, match="launcher"):
        own(tmp_path, slots).start(B, slots.installed(B))


def test_a_slot_that_the_launcher_passed_over_does_not_end_the_installed_agent_again_and_again(
    tmp_path: Path, slots: DirectorySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAUNCHED, "installed")
    (slots.path(B) / "bin/python3").unlink()

    with pytest.raises(InstallFailed, match="no agent in slot B"):
        own(tmp_path, slots).start(B, slots.installed(B))


@pytest.mark.parametrize("launched", ["", "installed"])
def test_the_installed_agent_stays_where_no_slot_is_to_run(
    tmp_path: Path, slots: DirectorySlots, monkeypatch: pytest.MonkeyPatch, launched: str
) -> None:
    monkeypatch.setenv(LAUNCHED, launched)

    assert own(tmp_path, slots).stop() is None


def test_an_agent_from_a_slot_ends_where_no_slot_is_to_run(
    tmp_path: Path, slots: DirectorySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAUNCHED, "B")

    with pytest.raises(Ends):
        own(tmp_path, slots).stop()


def test_it_is_nobody_without_a_record_of_this_process_from_this_slot(tmp_path: Path, slots: DirectorySlots) -> None:
    application = own(tmp_path, slots)

    assert application.running() is None
    record(tmp_path, "B", os.getppid())
    assert application.running() is None
    record(tmp_path, "", os.getpid())
    assert application.running() is None
    record(tmp_path, "B", os.getpid())
    assert application.running() is None  # this process's interpreter is not inside the slot


def test_an_agent_that_does_not_stop_in_order_leaves_all_the_same(
    tmp_path: Path, slots: DirectorySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAUNCHED, "A")
    monkeypatch.setattr("surefoot_agent.itself.application.END_LIMIT_S", 0.05)

    with pytest.raises(Ends):
        OwnAgent(tmp_path, slots, lambda: None, end).start(B, slots.installed(B))
