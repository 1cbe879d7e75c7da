"""A run ends in a recording that judges every expectation, and is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from surefoot_simulators.world.recording import from_json, to_json
from surefoot_simulators.world.run import recorded, run
from surefoot_simulators.world.scenario import parsed
from surefoot_simulators.world.world import World
from tests.simulators.world.conftest import SMALL, small

pytestmark = pytest.mark.slow
DIGEST = """
import sys
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import parsed
print(run(parsed(sys.stdin.read(), "small"), int(sys.argv[1])).digest)
"""


def test_the_recording_says_what_held_and_what_did_not(played: World) -> None:
    recording = recorded(played)

    assert [met.held for met in recording.expectations] == [True, True, False]
    assert not recording.passed
    assert recording.faults == {"power_cut": 1, "broker_restart": 1}
    assert from_json(to_json(recording)) == recording


def test_a_scenario_in_which_nothing_is_done_is_played_to_its_end() -> None:
    text = SMALL.partition("[[rollout]]")[0].replace('duration = "2h"', 'duration = "1m"')

    assert run(parsed(f'{text}\n[[expect]]\nkind = "bricked"\nexactly = 0\n', "still")).seconds == 60.0


def digest_elsewhere(seed: int, hash_seed: str) -> str:
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", DIGEST, str(seed)]
    found = subprocess.run(words, input=SMALL, capture_output=True, text=True, check=True, env=env, timeout=300)
    return found.stdout.strip()


@pytest.mark.timeout(600)
def test_the_same_seed_gives_the_same_recording_in_every_process_and_another_seed_another() -> None:
    here, other = run(small(), 3).digest, run(small(), 4).digest

    assert here == digest_elsewhere(3, "2")
    assert here != other
