"""One call: its exit code, its one line, its end, and nothing of it left behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from surefoot_agent.modules.call import CANNOT, LATE, MISSING, Module
from tests.agent.modules.world import executable


def module(folder: Path, text: str) -> Module:
    (folder / "tree").mkdir()
    return Module(executable(folder / "own", f"#!/bin/sh\n{text}\n"), folder / "tree", folder / "log", {"WORD": "x"})


def test_it_is_called_with_state_and_tree_in_the_tree_and_its_words_are_logged(tmp_path: Path) -> None:
    own = module(tmp_path, 'echo "$1 $2 $PWD $WORD"; echo sorry >&2')

    assert own.call("ArtifactInstall", 10).code == 0
    tree = tmp_path / "tree"
    assert (tmp_path / "log").read_text().splitlines() == [f"ArtifactInstall {tree} {tree} x", "sorry"]


def test_the_answer_of_a_query_is_its_output_alone(tmp_path: Path) -> None:
    own = module(tmp_path, "echo Yes; echo careful >&2")

    assert own.ask("SupportsRollback", 10).lines == ["Yes"]
    assert (tmp_path / "log").read_text() == "careful\n"


def test_a_child_that_keeps_the_output_open_does_not_delay_the_answer(tmp_path: Path) -> None:
    own = module(tmp_path, "echo No; sleep 30 &")
    began = time.monotonic()

    assert own.ask("NeedsArtifactReboot", 20).lines == ["No"]
    assert time.monotonic() - began < 15


def test_failing_says_which_state_and_how(tmp_path: Path) -> None:
    assert module(tmp_path, "exit 7").call("ArtifactCommit", 10).why == "ArtifactCommit ended with 7."


def test_what_outstays_its_time_is_ended_with_its_children(tmp_path: Path) -> None:
    own = module(tmp_path, 'trap "" TERM; (sleep 0.3; echo late) & sleep 60')
    called = own.call("ArtifactInstall", 0.1)

    assert called.code == LATE
    assert called.why == "ArtifactInstall did not end within 0.1 s."


@pytest.mark.parametrize("code", [MISSING, CANNOT])
def test_a_module_that_cannot_be_executed_is_named(tmp_path: Path, code: int) -> None:
    own = module(tmp_path, "exit 0")
    own.program.unlink() if code == MISSING else own.program.chmod(0o644)
    called = own.call("Download", 10)

    assert called.code == code
    assert str(own.program) in called.why
