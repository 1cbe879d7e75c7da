"""A release tree: self-contained, the same every time, with a recipe that the release format accepts."""

from __future__ import annotations

import ast
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import read_recipe
from surefoot_shared.release import CheckKind, Probation
from surefoot_simulators.camera.settings import read_settings
from surefoot_simulators.camera.tree import Faults, main, write_camera_tree, write_recipe


def contents(tree: Path) -> dict[str, tuple[int, str]]:
    files = [p for p in tree.rglob("*") if p.is_file()]
    return {str(p.relative_to(tree)): (p.stat().st_mode, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files}


def test_two_trees_of_one_version_are_the_same_bytes(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "one", "1.1")
    write_camera_tree(tmp_path / "two", "1.1")

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_two_versions_differ_in_their_settings_only(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "one", "1.1")
    write_camera_tree(tmp_path / "two", "1.2", Faults(6.0, "rpi5"))

    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")

    assert {path for path in one if one[path] != two[path]} == {"settings.json"}
    assert read_settings(tmp_path / "two").freezes_on("rpi5")


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")

    with pytest.raises(FileExistsError):
        write_camera_tree(tmp_path, "1.1")

    assert contents(tmp_path).keys() == {"precious"}


def test_the_tree_imports_nothing_but_itself_numpy_and_the_standard_library(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "tree", "1.1")
    imported = set()
    for file in [*(tmp_path / "tree" / "lib").rglob("*.py"), tmp_path / "tree" / "bin" / "camera-app"]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add((node.module or "").split(".")[0])

    assert imported - set(sys.stdlib_module_names) == {"numpy", "camera_app"}


def test_the_script_is_executable_and_found_by_env(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "tree", "1.1")
    script = tmp_path / "tree" / "bin" / "camera-app"

    assert script.stat().st_mode & 0o777 == 0o755
    assert script.read_text().startswith("#!/usr/bin/env python3\n")


def test_the_recipe_and_the_tree_are_what_a_release_is_built_from(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "tree", "1.1")
    write_recipe(tmp_path / "release.toml", soak_s=10.0)
    recipe = replace(read_recipe(tmp_path / "release.toml"), component="app", version="1.1", counter=101, hw=("rpi5",))

    manifest = build_release(tmp_path / "tree", recipe, tmp_path / "out").manifest

    assert [c.kind for c in manifest.checks] == [CheckKind.PROCESS, CheckKind.HTTP, CheckKind.CAMERA]
    assert manifest.application is not None
    assert manifest.application.argv == ("bin/camera-app",)
    assert manifest.probation == Probation(startup_s=15.0, steady=3, soak_s=10.0)


def test_one_bad_look_is_forgiven_and_two_of_three_are_not(tmp_path: Path) -> None:
    write_recipe(tmp_path / "release.toml")

    checks = read_recipe(tmp_path / "release.toml").checks

    assert [(c.name, c.k, c.n) for c in checks] == [("process", 1, 1), ("http", 2, 3), ("camera", 2, 3)]


def test_the_command_writes_tree_and_recipe(tmp_path: Path) -> None:
    asked = [str(tmp_path / "r"), "--version", "1.2", "--freeze-after-s", "6", "--freeze-on-hw", "rpi5"]

    assert main(asked) == 0
    assert read_settings(tmp_path / "r").version == "1.2"
    assert (tmp_path / "r.toml").exists()
