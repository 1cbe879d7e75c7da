"""Each deliberate bug in engine, agent or trust is seen by a scenario: what the library is worth, proved.

A patch is applied to a copy of the sources and the scenario is played on that copy; one that fits no more fails here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot_simulators.world import scenario
from tests.mutations.patching import Mutant, PatchDoesNotFit, apply, read

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MUTANTS = [read(path) for path in sorted(HERE.glob("*.patch"))]
QUICK = frozenset({"any_counter", "judge_looks_away", "never_lost"})
"""One of each part, the cheapest to play; the others are for `make soak`."""
SCENARIOS = ROOT / "simulators" / "scenarios"
SOURCES = ("agent", "server", "shared")
PLAY = """
import json, logging, sys
from pathlib import Path
import surefoot_agent, surefoot_server, surefoot_shared
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import read

logging.disable(logging.CRITICAL)
recording = run(read(Path(sys.argv[1])))
print(json.dumps({
    "from": [module.__file__ for module in (surefoot_agent, surefoot_server, surefoot_shared)],
    "missed": [met.text for met in recording.expectations if not met.held],
}))
"""


def copied(folder: Path) -> Path:
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    return folder


def played(copy: Path, name: str) -> list[str]:
    """What the scenario expected and did not find, on these sources."""
    path = SCENARIOS / f"{name}.toml"
    places = [*(str(copy / name) for name in SOURCES), str(ROOT / "simulators")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-c", PLAY, str(path)]
    ended = subprocess.run(words, capture_output=True, text=True, env=env, timeout=280, cwd=copy)
    assert ended.returncode == 0, f"the run itself broke, which proves nothing:\n{ended.stderr[-2000:]}"
    said = json.loads(ended.stdout.splitlines()[-1])
    assert all(Path(place).is_relative_to(copy) for place in said["from"]), said["from"]
    return list(said["missed"])


def caught(mutant: Mutant, folder: Path) -> None:
    copy = copied(folder)
    apply(mutant, copy)

    missed = played(copy, mutant.scenario)

    assert mutant.seen in missed, f"{mutant.scenario} does not see this bug: {mutant.bug}"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in QUICK], ids=lambda mutant: mutant.name)
def test_a_scenario_sees_a_deliberate_bug(mutant: Mutant, tmp_path: Path) -> None:
    caught(mutant, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.soak
@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name not in QUICK], ids=lambda mutant: mutant.name)
def test_a_scenario_sees_every_other_deliberate_bug(mutant: Mutant, tmp_path: Path) -> None:
    caught(mutant, tmp_path)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_patch_fits_the_code_as_it_is_and_its_scenario_expects_what_it_breaks(mutant: Mutant, tmp_path: Path) -> None:
    for name in {file for file, _, _ in mutant.hunks}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)

    apply(mutant, tmp_path)

    assert mutant.hunks
    expected = scenario.read(SCENARIOS / f"{mutant.scenario}.toml").expectations
    assert mutant.seen in {expectation.words for expectation in expected}


def test_at_least_twelve_bugs_are_kept_and_some_are_played_each_time() -> None:
    assert len(MUTANTS) >= 12
    assert {mutant.name for mutant in MUTANTS} >= QUICK


def test_a_patch_that_fits_no_more_fails_loudly(tmp_path: Path) -> None:
    mutant = MUTANTS[0]
    (tmp_path / mutant.hunks[0][0]).parent.mkdir(parents=True)
    (tmp_path / mutant.hunks[0][0]).write_text("nothing of it is left\n")

    with pytest.raises(PatchDoesNotFit, match="stands 0 times"):
        apply(mutant, tmp_path)
