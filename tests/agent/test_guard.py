from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.data import DataFolder, Kept, Phase
from tests.agent.apps import SLEEPER, STUBBORN, gone, until

SLOW = pytest.mark.slow


@pytest.fixture
def component(tmp_path: Path) -> Iterator[Path]:
    """A component folder with a sleeping application in both slots; whatever runs there is ended afterwards."""
    yield made(tmp_path)
    guard.stop_application(tmp_path, 1.0)


@pytest.fixture
def members(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The folders of two components that make a set."""
    folders = made(tmp_path / "model"), made(tmp_path / "app")
    yield folders
    for folder in folders:
        guard.stop_application(folder, 1.0)


def made(folder: Path) -> Path:
    for slot in ("A", "B"):
        tree = folder / "slots" / slot
        tree.mkdir(parents=True)
        (tree / "run").write_bytes(SLEEPER)
        (tree / "run").chmod(0o755)
    guard.point_current(folder, "A")
    guard.set_slot_state(folder, "A", "good")
    return folder


def spec(component: Path, slot: str) -> guard.AppSpec:
    tree = component / "slots" / slot
    env = {"PATH": os.environ["PATH"], "SUREFOOT_RELEASE": f"in {slot}", "SUREFOOT_SLOT": slot}
    return guard.AppSpec(slot, (str(tree / "run"),), str(tree), env, str(component / "app.log"))


def arm(component: Path, **changes: object) -> None:
    """Store a trial of slot B as the agent does, flipped and with its application running from B."""
    way_back = spec(component, "A")
    trial = {
        "v": 1,
        "assignment": "a-1",
        "attempt": 1,
        "component": "app",
        "slot": "B",
        "previous": "A",
        "armed_boot_id": guard.boot_id(),
        "starts": 1,
        "max_starts": 3,
        "budget_s": 60.0,
        "deadline_monotonic": time.monotonic() - 1.0,
        "deadline_boot_id": guard.boot_id(),
        "verdict": None,
        "reason": None,
        "finished": False,
        "lock_wait_s": 1.0,
        "fallback": {**vars(way_back), "argv": list(way_back.argv)},
    }
    guard.save_record(component, "trial", {**trial, **changes})
    guard.point_current(component, "B")
    guard.spawn_application(component, spec(component, "B"))


def trial_of(component: Path) -> dict[str, object]:
    found = guard.load_record(component, "trial")
    assert found is not None
    return found


def run_guard(component: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(Path(guard.__file__)), "--component-dir", str(component), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={}, cwd="/")


def running_slot(component: Path) -> str | None:
    process = guard.load_application(component)
    return process.slot if process and guard.process_alive(process) else None


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_record_is_read_back_and_the_newest_generation_wins(tmp_path: Path) -> None:
    for number in range(5):
        guard.save_record(tmp_path, "trial", {"number": number})

    assert guard.load_record(tmp_path, "trial") == {"number": 4}
    assert {p.name for p in tmp_path.iterdir()} == {"trial.0", "trial.1"}


def test_every_torn_write_of_a_record_leaves_the_record_before(tmp_path: Path) -> None:
    guard.save_record(tmp_path, "trial", {"number": 1})
    guard.save_record(tmp_path, "trial", {"number": 2})
    frame = guard.encode_frame(3, {"number": 3})

    for length in range(len(frame)):
        (tmp_path / "trial.0").write_bytes(frame[:length])
        assert guard.load_record(tmp_path, "trial") == {"number": 2}, length


def test_a_flipped_bit_anywhere_makes_a_generation_void(tmp_path: Path) -> None:
    frame = guard.encode_frame(1, {"verdict": None})

    for position in range(len(frame)):
        spoiled = bytearray(frame)
        spoiled[position] ^= 1
        assert guard.decode_frame(bytes(spoiled)) is None, position


@pytest.mark.parametrize("body", [b"\xff{", b"{", b"[" * 100_000, b"[1]"])
def test_a_frame_of_what_is_no_record_is_none(body: bytes) -> None:
    head = guard._HEAD.pack(guard.MAGIC, 1, len(body)) + body

    assert guard.decode_frame(head + struct.pack(">I", zlib.crc32(head))) is None


def test_nothing_whole_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "trial.0").write_bytes(b"")
    (tmp_path / "trial.1").write_bytes(b"SFR1")

    assert guard.load_record(tmp_path, "trial") is None


# --- lock -------------------------------------------------------------------------------------------------------------


def test_the_lock_is_one_hold_for_nested_use_and_excludes_other_threads(tmp_path: Path) -> None:
    refused: list[bool] = []

    def other() -> None:
        try:
            with guard.trial_lock(tmp_path, 0.05):
                refused.append(False)
        except guard.Locked:
            refused.append(True)

    with guard.trial_lock(tmp_path):
        with guard.trial_lock(tmp_path):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    assert refused == [True]
    other()
    assert refused == [True, False]


# --- link and states --------------------------------------------------------------------------------------------------


def test_a_link_that_points_elsewhere_shows_no_slot(tmp_path: Path) -> None:
    assert guard.current_slot(tmp_path) is None
    os.symlink("/etc", tmp_path / "current")
    assert guard.current_slot(tmp_path) is None


def test_a_link_half_made_by_a_power_cut_does_not_hinder_the_next_flip(tmp_path: Path) -> None:
    guard.point_current(tmp_path, "A")
    os.symlink("slots/B", tmp_path / "current.tmp")

    guard.point_current(tmp_path, "B")

    assert guard.current_slot(tmp_path) == "B"


def test_slots_without_a_word_about_them_are_empty(tmp_path: Path) -> None:
    guard.set_slot_state(tmp_path, "B", "bad")

    assert guard.slot_states(tmp_path) == {"A": "empty", "B": "bad"}


# --- processes --------------------------------------------------------------------------------------------------------


def test_a_process_with_the_recorded_pid_but_another_start_time_is_not_ours(component: Path) -> None:
    record = guard.spawn_application(component, spec(component, "A"))
    other = guard.AppRecord(**{**vars(record), "start_ticks": record.start_ticks - 1})

    assert guard.process_alive(record)
    assert not guard.process_alive(other)
    guard.stop_process(other, 1.0)
    assert guard.process_alive(record)


def test_a_dead_child_counts_as_dead_though_nobody_waited_for_it(component: Path) -> None:
    record = guard.spawn_application(component, spec(component, "A"))
    os.kill(record.pid, signal.SIGKILL)

    until(lambda: not guard.process_alive(record), "the end of the application")


def test_a_stopped_application_still_obeys_the_order_to_stop(component: Path) -> None:
    record = guard.spawn_application(component, spec(component, "A"))
    os.kill(record.pid, signal.SIGSTOP)

    guard.stop_process(record, 5.0)

    assert gone(record.pid)


def test_an_orphan_whose_record_was_never_written_is_found_and_stopped(component: Path) -> None:
    record = guard.spawn_application(component, spec(component, "A"))
    (component / "app.json").unlink()
    until(lambda: guard.application_pids(component) == [record.pid], "the application to be executed")

    guard.stop_application(component, 1.0)

    until(lambda: gone(record.pid), "the orphan's end")


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[[OSError], None]:
    """Let a file be refused its new content from now on."""

    def from_now(error: OSError) -> None:
        def refuse(*_: object) -> None:
            raise error

        monkeypatch.setattr(guard, "write_file", refuse)

    return from_now


def test_an_application_that_a_full_disk_kept_from_being_recorded_is_known_by_its_mark(
    component: Path, refused: Callable[[OSError], None]
) -> None:
    old = guard.spawn_application(component, spec(component, "A"))
    refused(OSError(errno.ENOSPC, "No space left on device"))
    guard.stop_application(component, 1.0)

    started = guard.spawn_application(component, spec(component, "B"))

    until(lambda: guard.first_process(started.pid)[0], "the application to be executed")
    assert guard.recorded_application(component) == old
    found = guard.load_application(component)
    assert found is not None
    assert (found.start_id, found.pid, found.slot, found.cwd) == (started.start_id, started.pid, "B", started.cwd)
    assert guard.process_alive(found)
    guard.stop_application(component, 1.0)
    assert guard.load_application(component) == old


def test_what_a_dead_application_left_behind_does_not_pass_for_it(component: Path) -> None:
    (component / "slots" / "A" / "run").write_text("#!/bin/sh\nsetsid sleep 60 &\nexec sleep 60\n")
    record = guard.spawn_application(component, spec(component, "A"))
    until(lambda: len(guard.application_pids(component)) == 2, "the child")

    os.kill(record.pid, signal.SIGKILL)

    until(lambda: not guard.process_alive(record), "the end of the application")
    assert guard.load_application(component) == record


def test_an_application_is_started_though_the_disk_takes_no_log(
    component: Path, refused: Callable[[OSError], None]
) -> None:
    refused(OSError(errno.EROFS, "Read-only file system"))
    told = dataclasses.replace(spec(component, "A"), log=str(component / "no such folder" / "app.log"))

    record = guard.spawn_application(component, told)

    assert guard.process_alive(record)


def test_the_lock_is_held_on_a_disk_that_became_read_only(component: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with guard.trial_lock(component):
        pass
    really = os.open

    def read_only(path: Path, flags: int, *more: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system")
        return really(path, flags, *more)

    monkeypatch.setattr(guard.os, "open", read_only)

    with guard.trial_lock(component):
        fd = really(component / "trial.lock", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)


def test_a_process_record_that_cannot_be_read_is_none(component: Path) -> None:
    (component / "app.json").write_text(json.dumps({"pid": 1}))

    assert guard.load_application(component) is None


# --- what it decides --------------------------------------------------------------------------------------------------

OPEN = {"verdict": None, "starts": 1, "max_starts": 3, "deadline_monotonic": 100.0}


@pytest.mark.parametrize(
    ("changes", "acts"),
    [
        ({}, False),
        ({"deadline_monotonic": 49.0}, True),
        ({"starts": 4}, True),
        ({"verdict": "healthy", "deadline_monotonic": 49.0}, False),
        ({"verdict": "unhealthy"}, False),
        ({"verdict": "unhealthy", "deadline_monotonic": 49.0}, True),
        ({"verdict": "unhealthy", "deadline_monotonic": 49.0, "finished": True}, False),
        ({"verdict": "guard"}, True),
        ({"verdict": "guard", "finished": True}, False),
    ],
)
def test_it_acts_on_a_budget_gone_without_verdict_and_on_a_way_back_not_finished(
    changes: dict[str, object], acts: bool
) -> None:
    assert guard.must_act({**OPEN, **changes}, 50.0) is acts


def test_it_leaves_a_device_without_a_trial_alone(component: Path) -> None:
    assert not guard.look(component)
    assert guard.current_slot(component) == "A"


def test_the_old_release_is_back_and_runs_when_the_budget_is_gone(component: Path) -> None:
    arm(component)

    assert guard.look(component)

    assert guard.current_slot(component) == "A"
    assert guard.slot_states(component)["B"] == "bad"
    assert running_slot(component) == "A"
    trial = trial_of(component)
    assert (trial["verdict"], trial["reason"], trial["finished"]) == ("guard", "no_verdict", True)


def test_a_commit_that_came_while_it_waited_for_the_lock_is_not_undone(component: Path) -> None:
    arm(component)
    waiting, result = threading.Event(), []

    def look() -> None:
        waiting.set()
        result.append(guard.look(component))

    with guard.trial_lock(component):
        thread = threading.Thread(target=look)
        thread.start()
        waiting.wait()
        guard.save_record(component, "trial", {**trial_of(component), "verdict": "healthy"})
    thread.join()

    assert result == [False]
    assert guard.current_slot(component) == "B"
    assert running_slot(component) == "B"


def test_the_data_are_as_they_were_before_the_old_release_runs_again(component: Path) -> None:
    (component / "data").mkdir()
    (component / "data" / "format").write_text("1")
    DataFolder(component).keep(Kept("a-1", 1, Phase.KEPT, "1.0", "1.1", migrated=True))
    (component / "data" / "format").write_text("2")
    arm(component)

    assert guard.look(component)

    assert (component / "data" / "format").read_text() == "1"
    assert (component / "data.aside" / "format").read_text() == "2"
    assert running_slot(component) == "A"


def test_a_way_back_cut_off_between_data_and_start_is_walked_to_its_end(component: Path) -> None:
    (component / "data").mkdir()
    (component / "data" / "format").write_text("1")
    DataFolder(component).keep(Kept("a-1", 1, Phase.KEPT, "1.0", "1.1"))
    arm(component)
    guard.stop_application(component, 1.0)
    guard.restore_data(component, "a-1", 1)
    (component / "data" / "format").write_text("1, and what the old release counted since")

    assert guard.look(component)

    assert (component / "data" / "format").read_text() == "1, and what the old release counted since"
    assert running_slot(component) == "A"


def test_data_of_an_update_that_keeps_none_are_left_alone(component: Path) -> None:
    (component / "data").mkdir()
    (component / "data" / "format").write_text("1")
    DataFolder(component).keep(Kept("a-0", 1, Phase.KEPT, "0.9", "1.0"))
    (component / "data" / "format").write_text("2")
    arm(component)

    assert guard.look(component)

    assert (component / "data" / "format").read_text() == "2"


def test_the_last_words_of_the_release_it_leaves_are_kept_for_the_report(component: Path) -> None:
    (component / guard.LAST_WORDS).write_text("of an earlier trial")
    arm(component)
    until(lambda: b"up in B" in (component / "app.log").read_bytes(), "the application's own words")
    (component / "app.log").write_bytes(b"x" * 2 * guard.LAST_WORDS_BYTES + b"the end")

    guard.look(component)

    kept = (component / guard.LAST_WORDS).read_bytes()
    assert kept.endswith(b"the end")
    assert len(kept) == guard.LAST_WORDS_BYTES


def test_words_that_cannot_be_kept_are_no_older_ones_and_no_reason_to_stay(
    component: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (component / guard.LAST_WORDS).write_text("of an earlier trial")
    arm(component)
    with monkeypatch.context() as patched:
        patched.setattr(guard, "write_file", full)
        guard.keep_last_words(component)
    kept = (component / guard.LAST_WORDS).exists()

    assert guard.look(component)

    assert not kept
    assert running_slot(component) == "A"


@pytest.mark.parametrize("step", ["verdict", "link", "state", "stopped"])
def test_a_way_back_that_was_interrupted_is_walked_to_its_end(component: Path, step: str) -> None:
    arm(component, verdict="guard", reason="no_verdict", deadline_monotonic=time.monotonic() + 1000)
    if step in ("link", "state", "stopped"):
        guard.point_current(component, "A")
    if step in ("state", "stopped"):
        guard.set_slot_state(component, "B", "bad")
    if step == "stopped":
        guard.stop_application(component, 1.0)

    assert guard.look(component)

    assert (guard.current_slot(component), running_slot(component)) == ("A", "A")
    assert not guard.look(component)


def test_a_restart_of_the_machine_within_a_trial_gives_a_new_budget_and_counts(component: Path) -> None:
    arm(component, deadline_boot_id="another boot")

    assert not guard.look(component)

    trial = trial_of(component)
    assert trial["starts"] == 2
    assert trial["deadline_boot_id"] == guard.boot_id()
    assert float(str(trial["deadline_monotonic"])) > time.monotonic() + 50
    assert guard.current_slot(component) == "B"


def test_one_restart_too_many_brings_the_old_release_back(component: Path) -> None:
    arm(component, deadline_boot_id="another boot", starts=3)

    assert guard.look(component)

    assert trial_of(component)["reason"] == "too_many_tries"
    assert running_slot(component) == "A"


def test_a_torn_newest_generation_makes_it_act_on_the_one_before(component: Path) -> None:
    arm(component)
    frame = guard.encode_frame(99, {**trial_of(component), "verdict": "healthy"})
    (component / "trial.1").write_bytes(frame[: len(frame) // 2])

    assert guard.look(component)

    assert running_slot(component) == "A"


# --- as a process -----------------------------------------------------------------------------------------------------


@SLOW
def test_it_runs_isolated_from_everything_installed_and_brings_the_old_release_back(component: Path) -> None:
    arm(component)

    finished = run_guard(component, "--once")

    assert finished.returncode == 0, finished.stderr
    assert (guard.current_slot(component), running_slot(component)) == ("A", "A")


@SLOW
def test_it_imports_nothing_but_the_standard_library(tmp_path: Path) -> None:
    code = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='guard'); print(*sorted(sys.modules))"
    command = [sys.executable, "-I", "-S", "-c", code, str(Path(guard.__file__))]

    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert {name.partition(".")[0] for name in loaded} <= {*sys.stdlib_module_names, "guard", "__main__"}


@SLOW
def test_a_second_guard_of_one_component_leaves(component: Path) -> None:
    command = [sys.executable, "-I", str(Path(guard.__file__)), "--component-dir", str(component), "--poll-s", "0.05"]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: f" {first.pid} " in Path("/proc/locks").read_text(), "the first guard to hold its lock")
        assert run_guard(component, "--once").returncode == 5
    finally:
        first.kill()
        first.wait()


@SLOW
def test_a_holder_that_froze_inside_the_lock_is_ended_and_its_trial_with_it(component: Path) -> None:
    arm(component)
    code = (
        "import os, pathlib, signal, sys; from surefoot_agent import guard\n"
        "with guard.trial_lock(pathlib.Path(sys.argv[1])): print('in', flush=True); os.kill(os.getpid(), 19)"
    )
    frozen = subprocess.Popen([sys.executable, "-c", code, str(component)], stdout=subprocess.PIPE)
    assert frozen.stdout is not None
    frozen.stdout.readline()

    finished = run_guard(component, "--once")

    assert finished.returncode == 0, finished.stderr
    assert "lock_holder_ended" in finished.stderr
    assert frozen.wait(timeout=10) == -signal.SIGKILL
    assert (guard.current_slot(component), running_slot(component)) == ("A", "A")


@SLOW
def test_it_outlives_the_agent_and_waits_for_the_end_of_the_budget(component: Path) -> None:
    arm(component, deadline_monotonic=time.monotonic() + 1.0)
    command = [sys.executable, "-I", str(Path(guard.__file__)), "--component-dir", str(component), "--poll-s", "0.05"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: trial_of(component).get("finished"), "the guard's way back")
    finally:
        process.kill()
        process.wait()

    assert running_slot(component) == "A"


# --- a root filesystem ------------------------------------------------------------------------------------------------


def words_of_this_start() -> list[str]:
    return Path("/proc/cmdline").read_text().split()


@pytest.fixture
def machine(component: Path) -> Path:
    """A component whose slots are roots: its commands write down that they were run, and in which order."""
    for name in ("fw", "restart", "restart-hard"):
        script = component / name
        script.write_text(f'#!/bin/sh\necho {name} "$@" >> {component}/ran\n')
        script.chmod(0o755)
    arm(
        component,
        machine=True,
        fallback=None,
        back=[[str(component / "fw"), "primary", "A; reboot"]],
        restart=[[str(component / "restart")], [str(component / "restart-hard")]],
        previous_mark="root=another",
    )
    return component


def ran(machine: Path) -> list[str]:
    return (machine / "ran").read_text().splitlines() if (machine / "ran").exists() else []


def test_a_root_goes_back_by_boot_controls_own_command_and_a_restart(machine: Path) -> None:
    assert not guard.look(machine)  # not back yet

    assert ran(machine) == ["fw primary A; reboot", "restart"]
    trial = trial_of(machine)
    assert (trial["verdict"], trial["reason"], trial["finished"]) == ("guard", "no_verdict", False)
    assert guard.current_slot(machine) == "B"  # the link is not what a root goes by
    assert running_slot(machine) == "B"


def test_while_init_stops_what_runs_nothing_is_ordered_twice(machine: Path) -> None:
    guard.look(machine)

    guard.look(machine)

    assert ran(machine) == ["fw primary A; reboot", "restart"]


def test_a_restart_that_does_not_come_is_ordered_again_and_harder(machine: Path) -> None:
    guard.look(machine)
    for _ in range(2):
        guard.save_record(machine, "trial", {**trial_of(machine), "back_monotonic": time.monotonic() - 1000.0})
        guard.look(machine)

    assert [line for line in ran(machine) if line.startswith("restart")] == ["restart", "restart-hard", "restart-hard"]


def test_the_way_back_of_a_root_ends_when_the_kernel_says_it_runs(machine: Path) -> None:
    guard.look(machine)
    here = {**trial_of(machine), "back_boot_id": "the boot before", "previous_mark": words_of_this_start()[0]}
    guard.save_record(machine, "trial", here)
    before = ran(machine)

    assert guard.look(machine)

    assert trial_of(machine)["finished"] is True
    assert "restart" not in ran(machine)[len(before) :]


def test_a_start_that_entered_the_new_root_once_more_is_restarted_again(machine: Path) -> None:
    guard.look(machine)
    guard.save_record(machine, "trial", {**trial_of(machine), "back_boot_id": "the boot before"})

    guard.look(machine)

    assert ran(machine) == ["fw primary A; reboot", "restart"] * 2
    assert trial_of(machine)["finished"] is False


def test_a_root_that_the_bootloader_enters_whatever_is_ordered_stays_in_the_end(machine: Path) -> None:
    for number in range(5):
        guard.look(machine)
        if not trial_of(machine)["finished"]:
            guard.save_record(machine, "trial", {**trial_of(machine), "back_boot_id": f"boot {number}"})

    assert ran(machine) == ["fw primary A; reboot", "restart"] * guard.BACK_BOOTS
    assert trial_of(machine)["finished"] is True


def test_a_switch_that_was_armed_and_never_restarted_is_taken_back_without_a_restart(machine: Path) -> None:
    """Else the next start, for whatever reason, would enter a release that nobody watches any more."""
    guard.save_record(machine, "trial", {**trial_of(machine), "previous_mark": words_of_this_start()[0]})

    guard.look(machine)

    assert ran(machine) == ["fw primary A; reboot"]
    assert (trial_of(machine)["verdict"], trial_of(machine)["finished"]) == ("guard", True)


def test_an_armed_switch_that_cannot_be_taken_back_now_is_tried_again(machine: Path) -> None:
    whole = (machine / "fw").read_text()
    (machine / "fw").write_text("#!/bin/sh\nexit 1\n")
    guard.save_record(machine, "trial", {**trial_of(machine), "previous_mark": words_of_this_start()[0]})
    guard.look(machine)
    assert (ran(machine), trial_of(machine)["finished"]) == ([], False)

    (machine / "fw").write_text(whole)
    guard.save_record(machine, "trial", {**trial_of(machine), "back_monotonic": time.monotonic() - 1000.0})
    guard.look(machine)

    assert (ran(machine), trial_of(machine)["finished"]) == (["fw primary A; reboot"], True)


def test_without_a_mark_another_boot_is_the_end_of_the_way_back(machine: Path) -> None:
    guard.save_record(machine, "trial", {**trial_of(machine), "previous_mark": ""})
    guard.look(machine)
    assert ran(machine) == ["fw primary A; reboot", "restart"]
    guard.save_record(machine, "trial", {**trial_of(machine), "back_boot_id": "the boot before"})

    guard.look(machine)

    assert trial_of(machine)["finished"] is True


def test_boot_control_that_fails_does_not_keep_the_machine_up(machine: Path) -> None:
    (machine / "fw").write_text("#!/bin/sh\nexit 1\n")

    guard.look(machine)

    assert ran(machine) == ["restart"]


def test_a_root_gets_its_budget_when_it_is_started(machine: Path) -> None:
    fresh = {**trial_of(machine), "starts": 0, "deadline_boot_id": "the boot before"}
    guard.save_record(machine, "trial", fresh)

    assert not guard.look(machine)

    assert trial_of(machine)["starts"] == 1
    assert float(str(trial_of(machine)["deadline_monotonic"])) > time.monotonic() + 50
    assert ran(machine) == []


# --- users and cgroups ------------------------------------------------------------------------------------------------


def test_an_application_record_of_a_newer_agent_is_understood(component: Path) -> None:
    record = guard.spawn_application(component, spec(component, "A"))
    stored = json.loads((component / "app.json").read_text())
    (component / "app.json").write_text(json.dumps({**stored, "mood": "good"}))

    assert guard.load_application(component) == record


def test_without_a_cgroup_that_can_be_written_the_process_group_serves(
    component: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "mkdir", lambda *a, **k: (_ for _ in ()).throw(PermissionError(13, "read-only")))

    record = guard.spawn_application(component, dataclasses.replace(spec(component, "A"), cgroup=True))

    assert record.cgroup == ""
    assert guard.process_alive(record)
    guard.stop_application(component, 1.0)
    until(lambda: gone(record.pid), "its end")


def test_where_a_cgroup_can_be_written_whatever_the_application_started_ends_with_it(component: Path) -> None:
    (component / "slots" / "A" / "run").write_bytes(STUBBORN)
    record = guard.spawn_application(component, dataclasses.replace(spec(component, "A"), cgroup=True))
    until(lambda: len(guard.application_pids(component)) == 2, "the child")
    pids = guard.application_pids(component)
    if record.cgroup:
        inside = (Path(record.cgroup) / "cgroup.procs").read_text().split()
        assert set(map(int, inside)) == set(pids)

    guard.stop_application(component, 0.1)

    for pid in pids:
        until(lambda pid=pid: gone(pid), "the end of the application and its child")  # type: ignore[misc]


def test_an_application_is_never_started_as_somebody_else_than_its_user(component: Path) -> None:
    with pytest.raises(OSError, match="no user 'nobody-of-this-name'"):
        guard.spawn_application(component, dataclasses.replace(spec(component, "A"), user="nobody-of-this-name"))

    assert guard.load_application(component) is None


# --- a set of components ----------------------------------------------------------------------------------------------


@SLOW
def test_the_guard_whose_budget_is_over_first_speaks_for_all_members(members: tuple[Path, Path]) -> None:
    model, app = members
    arm(model, set="set-1", deadline_monotonic=time.monotonic() + 3600)
    arm(app, set="set-1")
    guard.decide_set(app, "set-1", None, None)

    assert run_guard(model, "--once").stderr == ""  # it has time, and nobody has spoken
    for member in (app, model):
        assert "went_back" in run_guard(member, "--once").stderr

    assert [running_slot(member) for member in members] == ["A", "A"]
    assert [guard.current_slot(member) for member in members] == ["A", "A"]
    assert {(trial_of(member)["verdict"], trial_of(member)["finished"]) for member in members} == {("guard", True)}


@SLOW
def test_no_guard_undoes_a_set_that_was_committed_though_a_member_has_not_followed_yet(
    members: tuple[Path, Path],
) -> None:
    for member in members:
        arm(member, set="set-1")
    guard.decide_set(members[0], "set-1", "healthy", None)

    for member in members:
        assert run_guard(member, "--once").stderr == ""

    assert [running_slot(member) for member in members] == ["B", "B"]


@SLOW
def test_whoever_froze_while_it_held_the_lock_of_the_set_is_ended(members: tuple[Path, Path], tmp_path: Path) -> None:
    arm(members[1], set="set-1")
    (tmp_path / guard.JOINT).mkdir()
    code = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(guard.__file__).parent)!r})
import guard
with guard.trial_lock(Path({str(tmp_path / guard.JOINT)!r})):
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""
    frozen = subprocess.Popen([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True)
    assert frozen.stdout is not None
    assert frozen.stdout.readline() == "held\n"

    said = run_guard(members[1], "--once").stderr

    assert "lock_holder_ended" in said
    assert frozen.wait(timeout=10) == -signal.SIGKILL
    frozen.stdout.close()
    assert running_slot(members[1]) == "A"


# --- where no agent starts what died ----------------------------------------------------------------------------------


def dead_in(component: Path, slot: str = "A") -> guard.AppRecord:
    """Start the application of a slot and kill it, as a power cut leaves it: its record stands, no process lives."""
    record = guard.spawn_application(component, spec(component, slot))
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: not guard.process_alive(record), "its end")
    return record


def test_the_application_of_the_committed_slot_is_started_where_no_agent_does_it(component: Path) -> None:
    died = dead_in(component)

    since = guard.stand_in(component, None, 100.0)
    early = guard.stand_in(component, since, 100.0 + guard.ALONE_S - 1.0)
    assert (since, early, running_slot(component)) == (100.0, 100.0, None)
    guard.stand_in(component, since, 100.0 + guard.ALONE_S)

    started = guard.load_application(component)
    assert started is not None
    assert guard.process_alive(started)
    assert (started.slot, started.argv) == ("A", died.argv)
    assert started.pid != died.pid
    until(lambda: guard.application_pids(component) == [started.pid], "the application to be executed")
    environ = Path(f"/proc/{started.pid}/environ").read_bytes().split(b"\0")
    assert b"SUREFOOT_RELEASE=in A" in environ


def test_an_agent_that_lives_is_given_time_to_start_it_itself(component: Path) -> None:
    dead_in(component)

    with (component.parent / "agent.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        guard.stand_in(component, 100.0, 100.0 + guard.HUNG_S - 1.0)
        alone = running_slot(component)
        guard.stand_in(component, 100.0, 100.0 + guard.HUNG_S)  # it hangs, or is stopped

    assert (alone, running_slot(component)) == (None, "A")


def test_a_shadow_runs_no_longer_than_an_agent_watches_it(component: Path) -> None:
    beside = component / guard.SHADOW
    beside.mkdir()
    live = guard.spawn_application(component, spec(component, "A"))
    shadow = guard.spawn_application(beside, spec(component, "B"))

    with (component.parent / "agent.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        guard.quiet(component)
        watched = guard.process_alive(shadow)
    guard.quiet(component)

    assert (watched, guard.process_alive(shadow), guard.process_alive(live)) == (True, False, True)
    assert guard.load_application(beside) is None


@pytest.mark.parametrize("why", ["stopped by order", "the link left its slot", "on trial", "never started"])
def test_what_is_not_the_committed_application_is_not_started(component: Path, why: str) -> None:
    if why != "never started":
        dead_in(component)
    if why == "stopped by order":
        (component / "app.json").unlink()
    if why == "the link left its slot":
        guard.point_current(component, "B")
    if why == "on trial":
        guard.save_record(component, "trial", {"verdict": None, "finished": False})

    guard.stand_in(component, 100.0, 100.0 + guard.HUNG_S)

    assert running_slot(component) is None


def test_a_committed_trial_does_not_keep_its_application_dead(component: Path) -> None:
    dead_in(component)
    guard.save_record(component, "trial", {"verdict": "healthy", "finished": False})

    guard.stand_in(component, 100.0, 100.0 + guard.ALONE_S)

    assert running_slot(component) == "A"


def test_a_disk_that_takes_no_write_keeps_the_start_that_was_known(
    component: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_in(component)
    monkeypatch.setattr(guard, "_write_synced", refuse_write)

    guard.stand_in(component, 100.0, 100.0 + guard.ALONE_S)

    assert running_slot(component) == "A"


def refuse_write(path: Path, data: bytes, mode: int = 0o644) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@SLOW
def test_a_real_guard_starts_what_no_agent_starts_and_its_own_end_leaves_it_running(component: Path) -> None:
    dead_in(component)
    command = [sys.executable, "-I", str(Path(guard.__file__)), "--component-dir", str(component)]

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = json.loads(process.stderr.readline())
        process.terminate()

    assert said == {"guard": "stood_in", "slot": "A"}
    assert running_slot(component) == "A"
