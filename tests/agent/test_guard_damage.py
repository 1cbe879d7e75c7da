"""The guard on a device whose files a power cut, a read-only disk or somebody's hand left in no good state."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot_agent import guard
from tests.agent.apps import SLEEPER, until
from tests.agent.test_guard import arm, dead_in, made, running_slot, spec, trial_of

GARBAGE = b"\xff\xfe\x00"


@pytest.fixture
def component(tmp_path: Path) -> Iterator[Path]:
    """A component folder with a sleeping application in both slots; whatever runs there is ended afterwards."""
    yield made(tmp_path)
    guard.stop_application(tmp_path, 1.0)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is given to an agent that may still come."""
    monkeypatch.setattr(guard, "ALONE_S", 0.0)


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the disk takes no write, as one that the kernel remounted after an error."""
    really = os.open

    def refuse(path: str | Path, flags: int, *more: int, **where: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path) != os.devnull:
            raise OSError(errno.EROFS, "Read-only file system")
        return really(path, flags, *more, **where)

    monkeypatch.setattr(guard.os, "open", refuse)


def once(component: Path) -> int:
    return guard.main(["--component-dir", str(component), "--once"])


# --- a disk that takes no write ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("locks", [("guard.lock", "trial.lock"), ("trial.lock",), ("guard.lock",), ()])
def test_a_guard_that_starts_on_a_read_only_disk_starts_the_application_that_boot_control_names(
    component: Path, monkeypatch: pytest.MonkeyPatch, locks: tuple[str, ...]
) -> None:
    dead_in(component)
    for name in ("guard.lock", "trial.lock"):
        (component / name).unlink(missing_ok=True)
    for name in locks:
        (component / name).touch()
    read_only(monkeypatch)

    code = once(component)

    assert code == 0
    until(lambda: running_slot(component) == "A", "the application to be executed")


def test_on_a_read_only_disk_a_second_guard_leaves_too(component: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (component / "guard.lock").open("wb") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        read_only(monkeypatch)

        assert once(component) == 5


def test_where_no_lock_can_be_made_on_a_read_only_disk_the_folder_is_locked(
    component: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only(monkeypatch)

    with guard.trial_lock(component):
        fd = os.open(component, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)


def test_a_folder_that_is_not_there_is_no_disk_that_takes_no_write(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        once(tmp_path / "mistyped")


# --- a lock whose holder cannot be read -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [GARBAGE, b"", b"nobody knows", b"12", b"1 2 3", b"-1 -1", b"9" * 5000 + b" 1"])
def test_a_lock_with_garbage_in_it_does_not_keep_a_trial_open(component: Path, text: bytes) -> None:
    arm(component)
    (component / "trial.lock").write_bytes(text)

    assert once(component) == 0

    assert (guard.current_slot(component), running_slot(component)) == ("A", "A")


@pytest.mark.parametrize("text", [GARBAGE, b"nobody knows", b"-1 -1"])
def test_a_holder_that_cannot_be_read_is_waited_for_and_nobody_is_ended(component: Path, text: bytes) -> None:
    arm(component, lock_wait_s=0.05)

    with (component / "trial.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (component / "trial.lock").write_bytes(text)
        with pytest.raises(guard.Locked):
            guard.look(component)
    went = guard.look(component)

    assert went
    assert running_slot(component) == "A"


# --- a release that was condemned before the power was cut ------------------------------------------------------------

CONDEMNED = {"verdict": "unhealthy", "reason": "check_failed", "deadline_boot_id": "another boot"}


def test_an_agent_that_condemned_the_release_in_an_earlier_boot_has_its_budget_anew(component: Path) -> None:
    arm(component, **CONDEMNED, deadline_monotonic=1e6)

    assert not guard.look(component)

    trial = trial_of(component)
    assert (trial["deadline_boot_id"], trial["verdict"], trial["reason"]) == (
        guard.boot_id(),
        "unhealthy",
        "check_failed",
    )
    assert time.monotonic() + 50 < float(str(trial["deadline_monotonic"])) < time.monotonic() + 61
    assert guard.current_slot(component) == "B"


def test_a_release_condemned_in_an_earlier_boot_is_left_where_no_agent_comes_to_do_it(component: Path) -> None:
    arm(component, **CONDEMNED, deadline_monotonic=1e6, budget_s=0.0)

    assert guard.look(component)

    assert (guard.current_slot(component), running_slot(component)) == ("A", "A")
    trial = trial_of(component)
    assert (trial["verdict"], trial["reason"], trial["finished"]) == ("unhealthy", "check_failed", True)


def test_power_cuts_that_are_closer_than_the_budget_do_not_keep_a_condemned_release(component: Path) -> None:
    arm(component, **CONDEMNED, deadline_monotonic=1e6)
    looks = []
    for _ in range(3):
        looks.append(guard.look(component))
        guard.save_record(component, "trial", {**trial_of(component), "deadline_boot_id": "another boot"})

    assert looks == [False, False, True]
    assert running_slot(component) == "A"


@pytest.mark.parametrize("verdict", ["unhealthy", None])
def test_a_way_back_that_was_walked_to_its_end_in_an_earlier_boot_is_over(component: Path, verdict: str | None) -> None:
    arm(component, **{**CONDEMNED, "verdict": verdict}, finished=True)
    before = trial_of(component)

    assert not guard.look(component)

    assert trial_of(component) == before


def test_a_member_of_a_set_that_was_condemned_in_an_earlier_boot_is_left_too(tmp_path: Path) -> None:
    model = made(tmp_path / "model")
    arm(model, **{**CONDEMNED, "verdict": None}, set="set-1", budget_s=0.0, deadline_monotonic=1e6)
    guard.decide_set(model, "set-1", "unhealthy", "check_failed")

    went = guard.look(model)

    slot = running_slot(model)
    guard.stop_application(model, 1.0)
    assert (went, slot, guard.current_slot(model)) == (True, "A", "A")


# --- whatever else a file may hold ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    "text", [GARBAGE, b"", b"[]", b"null", b"1", b"[" * 100_000, b'{"pid": 1}', b'"argv"', b'[["argv"]]']
)
def test_a_process_record_that_cannot_be_read_is_no_order_to_stay_down(component: Path, text: bytes) -> None:
    dead_in(component)
    (component / "app.json").write_bytes(text)

    assert once(component) == 0

    until(lambda: running_slot(component) == "A", "the application to be executed")


@pytest.mark.parametrize(
    "wrong", [{"pid": "1"}, {"pid": -1}, {"pid": 1 << 80}, {"start_ticks": None}, {"cgroup": 1}, {"argv": 1}]
)
def test_a_process_record_of_other_kinds_of_values_is_none(component: Path, wrong: dict[str, object]) -> None:
    dead_in(component)
    stored = json.loads((component / "app.json").read_bytes())
    (component / "app.json").write_text(json.dumps({**stored, **wrong}))

    assert guard.load_application(component) is None


@pytest.mark.usefixtures("alone")
def test_a_step_that_fails_in_a_way_that_nobody_foresaw_does_not_keep_the_others(
    component: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dead_in(component)
    monkeypatch.setattr(guard, "look", lambda _folder: {}["never foreseen"])

    assert once(component) == 0

    until(lambda: running_slot(component) == "A", "the application to be executed")
    assert "KeyError: 'never foreseen'" in capsys.readouterr().err


@pytest.mark.parametrize("trial", [{}, {"verdict": None}, {"verdict": "guard"}, {"verdict": 1, "slot": []}])
def test_a_trial_record_that_lacks_what_it_should_hold_does_not_end_the_guard(
    component: Path, trial: dict[str, object]
) -> None:
    guard.save_record(component, "trial", trial)

    assert once(component) == 0


@pytest.mark.parametrize("target", [None, "slots/C", "/", "current"])
def test_a_link_that_names_no_slot_does_not_end_the_guard(component: Path, target: str | None) -> None:
    dead_in(component)
    (component / "current").unlink()
    if target is None:
        (component / "current").write_bytes(GARBAGE)
    else:
        (component / "current").symlink_to(target)

    assert once(component) == 0
    assert running_slot(component) is None


def test_a_name_of_a_process_that_is_no_text_does_not_hide_its_start(component: Path) -> None:
    """The kernel cuts a name after fifteen bytes, also within a letter."""
    program = component / "kameraaufsichtä"
    program.write_bytes(SLEEPER)
    program.chmod(0o755)

    record = guard.spawn_application(component, dataclasses.replace(spec(component, "A"), argv=(str(program),)))

    until(lambda: Path(f"/proc/{record.pid}/comm").read_bytes().endswith(b"\xc3\n"), "the application to be executed")
    assert guard.process_alive(record)


def test_a_reader_of_its_words_that_is_gone_does_not_end_the_guard(
    component: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm(component)
    read, write = os.pipe()
    os.close(read)

    with contextlib.suppress(BrokenPipeError), open(write, "w", buffering=1) as nobody:  # closing it speaks once more
        monkeypatch.setattr(guard.sys, "stderr", nobody)
        code = once(component)

    assert (code, running_slot(component)) == (0, "A")
