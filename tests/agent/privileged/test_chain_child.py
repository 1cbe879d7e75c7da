from __future__ import annotations

import subprocess
import sys

import pytest

from surefoot_agent.privileged.chain_child import answer
from surefoot_agent.privileged.chain_talk import Answer
from surefoot_shared import wire
from tests.agent.privileged.test_chain import question
from tests.shared.trust.simulator import FleetSimulator


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version("1.1", 101)
    return made


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b'{"v": 7}'])
def test_what_is_no_question_gets_an_error_for_an_answer(raw: bytes) -> None:
    found = answer(raw)

    assert found.proof is None
    assert found.error is not None


def test_base64_and_times_that_are_none_are_errors_too(fleet: FleetSimulator) -> None:
    for changes in ({"role": "%"}, {"now": "noon"}):
        found = answer(wire.encode(question(fleet, **changes)))
        assert found.error is not None
        assert found.error.kind == "bundle_malformed"


@pytest.mark.slow
def test_it_runs_alone_and_answers_once(fleet: FleetSimulator) -> None:
    command = [sys.executable, "-I", "-m", "surefoot_agent.lean", "privileged.chain_child"]

    done = subprocess.run(command, input=wire.encode(question(fleet)), capture_output=True, env={}, cwd="/", timeout=60)

    assert done.returncode == 0, done.stderr
    found = wire.decode(Answer, done.stdout)
    assert found.proof is not None
    assert found.proof.listed is not None
    assert found.proof.listed.note.version == "1.1"
