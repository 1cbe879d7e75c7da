"""Real programs, run and ended."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.health import programs
from surefoot_agent.health.scene import Scene
from surefoot_shared.release import CheckKind, HealthCheck, TreeFile
from tests.agent.apps import until

ENV = {"PATH": os.environ["PATH"]}


def program(folder: Path, text: str, name: str = "test") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def run(folder: Path, text: str, timeout_s: float = 20.0) -> programs.Ran:
    return programs.run([str(program(folder, text))], folder, ENV, timeout_s)


def test_a_program_says_its_code_and_its_last_words(tmp_path: Path) -> None:
    ran = run(tmp_path, "echo first; echo last >&2; exit 3")

    assert (ran.code, ran.last_line, ran.output) == (3, "last", "first\nlast\n")
    found = programs.finding(ran, "test", 1.0)
    assert (found.good, found.message) == (False, "last (test ended with 3)")


def test_a_program_that_a_signal_ends_is_a_failure(tmp_path: Path) -> None:
    found = programs.finding(run(tmp_path, "kill -SEGV $$"), "test", 1.0)

    assert (found.good, found.measured["exit_code"]) == (False, -11.0)


def test_only_the_end_of_a_long_output_is_kept_and_nothing_blocks(tmp_path: Path) -> None:
    ran = run(tmp_path, "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end")

    assert (ran.code, ran.last_line, len(ran.output)) == (0, "end", programs.OUTPUT_BYTES)


def test_a_program_that_hangs_is_ended_with_its_children_and_its_words_are_kept(tmp_path: Path) -> None:
    ran = run(tmp_path, "echo waiting; sleep 600 & echo $! > pid; wait", timeout_s=0.5)

    assert (ran.code, ran.output) == (None, "waiting\n")
    child = int((tmp_path / "pid").read_text())
    until(lambda: guard.start_ticks(child) is None, "the child to end")


def test_a_child_in_a_session_of_its_own_does_not_outlive_the_look(tmp_path: Path) -> None:
    ran = run(tmp_path, "setsid sh -c 'echo $$ > pid; exec sleep 600' & while [ ! -s pid ]; do :; done")

    assert ran.code == 0
    child = int((tmp_path / "pid").read_text())
    until(lambda: guard.start_ticks(child) is None, "the child to end")


def test_a_child_that_keeps_the_output_open_does_not_delay_the_verdict(tmp_path: Path) -> None:
    ran = run(tmp_path, "sleep 600 & echo $! > pid; echo done")

    assert (ran.code, ran.output) == (0, "done\n")
    assert ran.took_s < 10
    child = int((tmp_path / "pid").read_text())
    until(lambda: guard.start_ticks(child) is None, "the child to end")


def test_a_program_that_closes_its_output_is_still_waited_for(tmp_path: Path) -> None:
    assert run(tmp_path, "exec >&- 2>&-; sleep 0.2; exit 4").code == 4


def test_a_program_has_no_input(tmp_path: Path) -> None:
    assert run(tmp_path, "read line && exit 1; exit 0").code == 0


def scene(tree: Path, *signed: TreeFile) -> Scene:
    return Scene(None, tree, {}, ENV, tuple, files={file.path: file for file in signed})


def signed(path: Path) -> TreeFile:
    content = path.read_bytes()
    return TreeFile(path.name, 0o755, len(content), hashlib.sha256(content).hexdigest())


CHECK = HealthCheck("self-test", CheckKind.COMMAND, timeout_s=20.0, params={"command": "test one 'and two'"})


def test_a_program_of_the_release_runs_in_its_slot_with_its_words(tmp_path: Path) -> None:
    file = signed(program(tmp_path, 'echo "$PWD $# $2"'))

    found = programs.look(CHECK, scene(tmp_path, file))

    assert (found.good, found.message) == (True, f"{tmp_path} 2 and two")


def test_a_program_whose_bytes_changed_since_it_was_signed_is_not_run(tmp_path: Path) -> None:
    file = signed(program(tmp_path, "exit 0"))
    program(tmp_path, "touch ran; exit 0")

    found = programs.look(CHECK, scene(tmp_path, file))

    assert (found.good, found.message) == (False, "test is not run: its bytes are not those that were signed")
    assert not (tmp_path / "ran").exists()


def test_a_program_that_the_manifest_does_not_list_is_not_run(tmp_path: Path) -> None:
    program(tmp_path, "touch ran; exit 0")

    found = programs.look(CHECK, scene(tmp_path))

    assert (found.good, (tmp_path / "ran").exists()) == (False, False)


def test_a_link_in_the_place_of_the_program_is_not_followed(tmp_path: Path) -> None:
    file = signed(program(tmp_path, "touch ran; exit 0", name="other"))
    (tmp_path / "test").symlink_to(tmp_path / "other")

    with pytest.raises(OSError, match="symbolic links"):
        programs.look(CHECK, scene(tmp_path, TreeFile("test", 0o755, file.size, file.sha256)))
    assert not (tmp_path / "ran").exists()
