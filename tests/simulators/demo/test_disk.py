"""The inspector believes bytes and the kernel: what is torn, altered, doubled or misplaced is not taken for running."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_shared.release import Manifest, TreeFile, digest_of, manifest_bytes
from surefoot_simulators.demo.disk import inspect, slot_state, trial_of

SLEEP = "import time; time.sleep(60)"


def install(component: Path, slot: str, version: str) -> str:
    """Lay out a slot as the agent seals it; return the release's digest."""
    tree = component / "slots" / slot
    tree.mkdir(parents=True)
    (tree / "settings.json").write_text(version)
    file = TreeFile("settings.json", 0o644, len(version), hashlib.sha256(version.encode()).hexdigest())
    raw = manifest_bytes(Manifest("app", version, 1, 0, ("rpi5",), (file,)))
    (component / "slots" / f"{slot}.manifest").write_bytes(raw)
    (component / "slots" / f"{slot}.sealed").write_text("{}")
    return digest_of(raw)


@pytest.fixture
def run_in(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Start a process in a slot, with the record that the agent would write."""
    started: list[guard.AppRecord] = []

    def start(slot: str) -> None:
        folder = str(tmp_path / "slots" / slot)
        spec = guard.AppSpec(slot, (sys.executable, "-c", SLEEP), folder, {}, str(tmp_path / "app.log"))
        started.append(guard.spawn_application(tmp_path, spec))

    yield start
    for record in started:
        guard.stop_process(record, 1.0)


def test_a_whole_release_that_runs_from_the_current_slot_is_running(
    tmp_path: Path, run_in: Callable[[str], None]
) -> None:
    digest = install(tmp_path, "A", "1.1")
    guard.point_current(tmp_path, "A")
    run_in("A")

    seen = inspect(tmp_path)

    assert (seen.current, seen.runs_from, seen.applications) == ("A", "A", 1)
    assert seen.running is not None
    assert (seen.running.version, seen.running.digest) == ("1.1", digest)
    assert seen.start_id is not None


def test_an_altered_file_makes_the_slot_not_whole(tmp_path: Path, run_in: Callable[[str], None]) -> None:
    install(tmp_path, "A", "1.1")
    guard.point_current(tmp_path, "A")
    run_in("A")

    (tmp_path / "slots" / "A" / "settings.json").write_text("1.x")

    assert inspect(tmp_path).running is None


@pytest.mark.parametrize("missing", ["A.sealed", "A.manifest", "A/settings.json"])
def test_a_slot_that_lacks_a_part_is_not_whole(tmp_path: Path, missing: str) -> None:
    install(tmp_path, "A", "1.1")

    (tmp_path / "slots" / missing).unlink()

    assert not inspect(tmp_path).slots["A"].whole


def test_a_process_of_the_other_slot_is_not_what_the_link_says(tmp_path: Path, run_in: Callable[[str], None]) -> None:
    install(tmp_path, "A", "1.0")
    install(tmp_path, "B", "1.1")
    guard.point_current(tmp_path, "B")
    run_in("A")

    seen = inspect(tmp_path)

    assert (seen.current, seen.runs_from) == ("B", "A")
    assert seen.running is None


def test_two_applications_at_once_are_not_one(tmp_path: Path, run_in: Callable[[str], None]) -> None:
    install(tmp_path, "A", "1.1")
    guard.point_current(tmp_path, "A")
    run_in("A")
    run_in("A")

    seen = inspect(tmp_path)

    assert seen.applications == 2
    assert seen.running is None


def test_a_dead_application_is_not_running(tmp_path: Path) -> None:
    install(tmp_path, "A", "1.1")
    guard.point_current(tmp_path, "A")
    subprocess.run([sys.executable, "-c", "pass"], cwd=tmp_path / "slots" / "A", check=True)

    seen = inspect(tmp_path)

    assert seen.applications == 0
    assert seen.running is None


def test_a_folder_that_is_not_there_is_an_answer_too(tmp_path: Path) -> None:
    seen = inspect(tmp_path / "nothing")

    assert (seen.current, seen.running, seen.applications, seen.start_id) == (None, None, 0, None)


def test_trial_and_slot_states_are_read_as_the_guard_reads_them(tmp_path: Path) -> None:
    assert trial_of(tmp_path) is None
    assert slot_state(tmp_path, "B") == "empty"

    guard.save_record(tmp_path, "trial", {"verdict": "guard"})
    guard.set_slot_state(tmp_path, "B", "bad")

    assert trial_of(tmp_path) == {"verdict": "guard"}
    assert slot_state(tmp_path, "B") == "bad"
