from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from surefoot_agent import guard, migrations
from surefoot_agent.migrations import OUTPUT_BYTES, Migration
from surefoot_shared.errors import InstallFailed
from tests.agent.apps import until


def shell(folder: Path, script: str, timeout_s: float = 20.0) -> Migration:
    """A migration that is a shell script in a slot."""
    tree = folder / "slots" / "B"
    tree.mkdir(parents=True, exist_ok=True)
    (tree / "migrate").write_text(f"#!/bin/sh\n{script}\n")
    (tree / "migrate").chmod(0o755)
    (folder / "data").mkdir(exist_ok=True)
    env = {
        "PATH": os.environ["PATH"],
        "SUREFOOT_DATA": str(folder / "data"),
        "SUREFOOT_FROM": "1.0",
        "SUREFOOT_TO": "1.1",
    }
    return Migration("forward", (str(tree / "migrate"), "up"), str(tree), env, timeout_s, folder)


def failed(migration: Migration) -> str:
    with pytest.raises(InstallFailed) as caught:
        migrations.run(migration)
    assert caught.value.kind == "migration_failed"
    return caught.value.message


def log(folder: Path) -> str:
    return (folder / "app.log").read_text()


def test_it_runs_in_its_slot_with_the_contracts_environment_and_its_words_are_kept(tmp_path: Path) -> None:
    script = 'echo "$1 from $SUREFOOT_FROM to $SUREFOOT_TO in $(basename $PWD)"; echo 2 > $SUREFOOT_DATA/format'

    migrations.run(shell(tmp_path, script))

    assert (tmp_path / "data" / "format").read_text() == "2\n"
    assert log(tmp_path) == "[forward migration] up from 1.0 to 1.1 in B\n"


def test_nothing_of_the_agents_environment_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_SECRET", "x")

    migrations.run(shell(tmp_path, "env | cut -d= -f1 | sort | tr '\\n' ' '"))

    names = set(log(tmp_path).removeprefix("[forward migration] ").split())
    assert names <= {"PATH", "PWD", "OLDPWD", "_", "SHLVL", "LC_CTYPE"} | {
        "SUREFOOT_DATA",
        "SUREFOOT_FROM",
        "SUREFOOT_TO",
        "SUREFOOT_COMPONENT_DIR",
    }


def test_a_failure_names_its_code_and_its_last_line(tmp_path: Path) -> None:
    message = failed(shell(tmp_path, "echo begun; echo 'no such table' >&2; exit 3"))

    assert message == "The forward migration failed: it ended with 3; its last line: no such table."
    assert "no such table" in log(tmp_path)


def test_a_migration_that_does_not_end_is_killed_with_all_it_started(tmp_path: Path) -> None:
    message = failed(shell(tmp_path, "sleep 600 & echo $! > $SUREFOOT_DATA/pid; sleep 600", timeout_s=1.0))

    assert "longer than 1 s" in message
    child = int((tmp_path / "data" / "pid").read_text())
    until(lambda: guard.start_ticks(child) is None, "the child to be gone")


def test_what_it_leaves_running_does_not_outlive_it(tmp_path: Path) -> None:
    began = time.monotonic()

    migrations.run(shell(tmp_path, "sleep 600 & echo $! > $SUREFOOT_DATA/pid"))

    child = int((tmp_path / "data" / "pid").read_text())
    until(lambda: guard.start_ticks(child) is None, "the child to be gone")
    assert time.monotonic() - began < 60


def test_a_flood_of_words_is_bounded_to_its_end(tmp_path: Path) -> None:
    migrations.run(shell(tmp_path, "yes 0123456789 | head -n 100000; echo the end"))

    assert len(log(tmp_path)) < OUTPUT_BYTES + 100
    assert log(tmp_path).endswith("the end\n")


def test_one_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    migrations.run(shell(tmp_path, "exec >&- 2>&-; sleep 0.3; touch $SUREFOOT_DATA/done"))

    assert (tmp_path / "data" / "done").exists()


def test_it_has_no_network(tmp_path: Path) -> None:
    script = "python3 -c 'import socket; socket.socket()'"

    assert "Permission denied" in failed(shell(tmp_path, script))


def test_one_left_over_by_an_agent_that_died_excludes_a_second(tmp_path: Path) -> None:
    held = os.open(tmp_path / "migration.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)  # as the process that the dead agent started holds it

    assert "has not ended" in failed(shell(tmp_path, "true"))

    os.close(held)
    migrations.run(shell(tmp_path, "true"))


def test_whoever_stops_the_application_stops_a_migration_too(tmp_path: Path) -> None:
    migration = shell(tmp_path, "sleep 600")
    lock = os.open(tmp_path / "migration.lock", os.O_RDWR | os.O_CREAT)
    process = migrations._spawn(migration, lock)
    os.close(lock)
    until(lambda: process.pid in guard.application_pids(tmp_path), "the migration to carry the mark")

    guard.stop_application(tmp_path, 1.0)

    assert process.wait(timeout=30) == -9
    assert process.stdout is not None
    process.stdout.close()


def test_a_command_that_cannot_be_executed_is_a_failed_migration(tmp_path: Path) -> None:
    migration = shell(tmp_path, "true")
    Path(migration.argv[0]).unlink()

    assert "ended with 127" in failed(migration)
