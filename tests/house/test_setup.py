"""The first minute of a new user: what set-up says where something is missing, and what a run says it could not do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.conftest import PACKAGES
from tests.house.tree import ROOT

LOCKED = re.compile(r"^[A-Za-z0-9_.\[\]-]+==\S+")


def _fake_python(folder: Path, name: str, body: str) -> None:
    script = folder / name
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)


def _set_up(path: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run .ci/venv where `path` comes first and no other Python is to be found."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("dirname", "cat", "grep", "cmp", "rm", "touch", "tail", "sleep", "cp"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}" if Path(f"/usr/bin/{tool}").exists() else f"/bin/{tool}")
    environment = {"PATH": f"{path}:{tools}", "HOME": str(tmp_path)}
    venv = os.path.relpath(tmp_path / "venv", ROOT)
    return subprocess.run(
        ["/bin/sh", ROOT / ".ci" / "venv", venv], env=environment, capture_output=True, text=True, timeout=60
    )


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()

    result = _set_up(tmp_path / "bin", tmp_path)

    assert result.returncode == 1
    assert "Python 3.10 or newer is needed and this machine has no python3" in result.stderr
    assert "apt-get install python3 python3-venv" in result.stderr


def test_a_python_that_is_too_old_is_named_with_its_version(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    _fake_python(tmp_path / "bin", "python3", '[ "$1" = --version ] && echo "Python 3.9.2" || exit 1')

    result = _set_up(tmp_path / "bin", tmp_path)

    assert result.returncode == 1
    assert "this machine has Python 3.9.2" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_debian_python_without_venv_is_told_the_package(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    _fake_python(
        tmp_path / "bin",
        "python3",
        f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"',
    )

    result = _set_up(tmp_path / "bin", tmp_path)

    assert result.returncode == 1
    assert "apt-get install python3-venv" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_the_lock_pins_every_package_by_hash_and_names_no_index() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]

    assert len(pins) > 30
    assert [line for line in pins if not LOCKED.match(line) or not line.endswith("\\")] == []
    assert not any(word in "\n".join(lines) for word in ("index-url", "find-links", "://"))


def test_the_lock_serves_every_dependency_that_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[\[<>=;]", name)[0].lower() for names in project["optional-dependencies"].values() for name in names
    }
    locked = {line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}

    assert declared - {"surefoot"} - locked == set()


def test_every_make_target_is_explained_by_make_alone() -> None:
    targets = set(re.findall(r"^\.PHONY: ([a-z-]+)", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"moved"}
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert {line.split()[1] for line in shown.splitlines()} == targets


def test_ci_installs_every_program_that_a_test_may_need() -> None:
    listed = re.search(r"packages=\(([^)]*)\)", (ROOT / ".ci" / "run").read_text())

    assert listed is not None
    assert set(PACKAGES.values()) <= set(listed[1].split())


def test_the_device_side_and_the_guard_need_nothing_newer_than_the_oldest_python_promised() -> None:
    project = (ROOT / "pyproject.toml").read_text()

    assert 'requires-python = ">=3.10"' in project
    assert 'python_version = "3.10"' in project


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    needs(program): x\n")
    return tmp_path


def _pytest(suite: Path, source: str, path: str) -> subprocess.CompletedProcess[str]:
    (suite / "test_it.py").write_text(f"import pytest\n{source}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(suite)]
    return subprocess.run(command, env={"PATH": path}, cwd=suite, capture_output=True, text=True, timeout=60)


def test_a_test_whose_program_is_missing_is_skipped_and_the_run_ends_with_how_to_install_it(suite: Path) -> None:
    result = _pytest(suite, "@pytest.mark.needs('mosquitto_sub')\ndef test_a(): assert False\n", path="")

    assert result.returncode == 0
    assert "could not run" in result.stdout
    assert "1 test: mosquitto_sub is missing; install with: apt-get install mosquitto-clients" in result.stdout


def test_a_test_whose_program_is_there_runs(suite: Path) -> None:
    (suite / "bin").mkdir()
    _fake_python(suite / "bin", "mosquitto_sub", "exit 0")

    result = _pytest(suite, "@pytest.mark.needs('mosquitto_sub')\ndef test_a(): assert False\n", str(suite / "bin"))

    assert result.returncode == 1
    assert "1 failed" in result.stdout


def test_a_marker_that_names_an_unknown_program_is_an_error_not_a_skip(suite: Path) -> None:
    result = _pytest(suite, "@pytest.mark.needs('mosquito')\ndef test_a(): assert True\n", path="")

    assert result.returncode == 4
    assert "mosquito" in result.stderr
