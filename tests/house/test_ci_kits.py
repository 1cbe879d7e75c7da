"""The kits for the CI of others: their shell steps run here as a runner runs them, on what holds and what does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.house.tree import ROOT

ACTION = ROOT / "packaging/ci/github/action.yml"
TEMPLATE = ROOT / "packaging/ci/gitlab/surefoot.yml"
NOT_SO = 6
SCENARIO = """
title = "Two devices take a release"
promise = "A good release reaches everybody."
duration = "2d"

[[fleet.devices]]
count = 2
sites = ["hanoi"]

[[release]]
version = "1.0"

[[release]]
version = "1.1"

[[rollout]]
release = "1.1"
policy = "phases: [{name: all, percent: 100, bake: 1m}]"

[[expect]]
kind = "runs_at_end"
version = "1.1"
exactly = COUNT
"""


@dataclass(frozen=True)
class Job:
    """How a kit's steps ended, and the folder in which they ran."""

    code: int
    folder: Path
    summary: str = ""
    outputs: str = ""

    def junit(self) -> ElementTree.Element:
        return ElementTree.parse(self.folder / "surefoot-results/junit.xml").getroot()


def prepared(folder: Path, runs: int) -> Mapping[str, str]:
    """A checkout with one scenario, and the environment of a job in it."""
    (folder / "scenarios").mkdir()
    (folder / "scenarios/two.toml").write_text(SCENARIO.replace("COUNT", str(runs)))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def github(folder: Path, runs: int) -> Job:
    """Run the steps with a `run`, as the documentation of composite actions says: bash with these very options."""
    action = yaml.safe_load(ACTION.read_text())
    inputs = {name: str(given["default"]) for name, given in action["inputs"].items()}
    inputs["package"] = str(ROOT)
    summary, outputs = folder / "summary.md", folder / "outputs"
    env = {**prepared(folder, runs), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    code = 0
    for step in runnable(action["runs"]["steps"]):
        script = folder / "step.sh"
        script.write_text(step["run"])
        mine = {name: filled(value, inputs) for name, value in step.get("env", {}).items()}
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        code = subprocess.run(shell, cwd=folder, env={**env, **mine}, check=False, timeout=380).returncode
        if code:
            break
    return Job(code, folder, read(summary), read(outputs))


def runnable(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those with a script, but for the installation: what is tested is installed already, and there is no network."""
    found = [step for step in steps if "run" in step]
    assert "pip install" in found[0]["run"]
    return found[1:]


def filled(value: str, inputs: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: inputs[m.group(1)], value)


def gitlab(folder: Path, runs: int) -> Job:
    """Run the script's lines one after the other in one shell, as a runner joins them."""
    job = yaml.safe_load(TEMPLATE.read_text())[".surefoot-scenarios"]
    env = {**prepared(folder, runs), **{name: str(value) for name, value in job["variables"].items()}}
    script = "set -eo pipefail\n" + "\n".join(job["script"])
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, check=False, timeout=380)
    return Job(done.returncode, folder)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(400)
def test_a_job_in_which_all_is_as_expected_succeeds_and_says_so_on_its_page(tmp_path: Path) -> None:
    job = github(tmp_path, 2)

    assert job.code == 0
    assert "two" in job.summary
    assert job.junit().get("failures") == "0"
    named = dict(line.split("=", 1) for line in job.outputs.splitlines())
    assert set(named) == {"junit", "report"}
    assert all((tmp_path / path).exists() for path in named.values())


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kit", [github, gitlab])
def test_a_job_in_which_something_is_not_as_expected_fails_and_leaves_its_files(kit: Any, tmp_path: Path) -> None:
    job = kit(tmp_path, 1)

    assert job.code == NOT_SO
    assert job.junit().get("failures") == "1"
    assert {p.name for p in (tmp_path / "surefoot-results").iterdir()} == {"junit.xml", "summary.md", "report.html"}


def test_every_value_that_comes_from_outside_reaches_the_shell_through_the_environment() -> None:
    steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]

    assert [step["name"] for step in steps if "${{" in step.get("run", "")] == [], "an input could be a command"


def test_gitlab_is_told_of_the_files_that_the_script_leaves() -> None:
    job = yaml.safe_load(TEMPLATE.read_text())[".surefoot-scenarios"]

    results = job["variables"]["SUREFOOT_RESULTS"]
    assert job["artifacts"]["paths"] == [f"{results}/"]
    assert job["artifacts"]["reports"]["junit"] == f"{results}/junit.xml"
    assert job["artifacts"]["when"] == "always"


def test_both_kits_ask_for_the_same() -> None:
    asked = [set(re.findall(r"--[a-z]+", re.sub(r".*pip install.*", "", f.read_text()))) for f in (ACTION, TEMPLATE)]

    assert asked[0] == asked[1] == {"--seed", "--jobs", "--junit", "--markdown", "--report"}
