"""Recipes, built releases and policies that a scenario starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.release import Application, DataHandling, SlotKind
from surefoot_simulators.world import sources
from surefoot_simulators.world.toml_lines import Table, parse


def built(folder: Path, recipe: Recipe, source: Path | None = None) -> Path:
    tree = folder / "tree"
    tree.mkdir(exist_ok=True)
    (tree / "run").write_bytes(b"#!/bin/sh\n".ljust(5000))
    (tree / "run").chmod(0o755)
    build_release(source or tree, recipe, folder / "out")
    return folder / "out"


def test_a_built_release_knows_its_size_and_its_kind(tmp_path: Path) -> None:
    recipe = Recipe("app", "1.1", 7, hw=("rpi5",), application=Application(("run",)), data=DataHandling())
    out = built(tmp_path, recipe)

    found = sources.of_path(out)

    assert (found.version, found.counter, found.size_bytes, found.slot) == ("1.1", 7, 5000, SlotKind.TREE)
    assert found.unplayed == ("the copy of its data ([data])",)
    assert sources.of_path(out / "manifest.json") == found


def test_an_image_is_told_as_one(tmp_path: Path) -> None:
    image = tmp_path / "root.ext4"
    image.write_bytes(b"x" * 65536 * 2)

    found = sources.of_path(built(tmp_path, Recipe("rootfs", "7", 700, hw=("rpi5",)), image))

    assert (found.slot, found.size_bytes) == (SlotKind.IMAGE, 131072)


def test_a_recipe_without_an_application_may_be_of_anything(tmp_path: Path) -> None:
    (tmp_path / "release.toml").write_text('version = "7"\n')

    found = sources.of_path(tmp_path / "release.toml")

    assert (found.slot, found.size_bytes, found.counter, found.checks) == (None, 0, None, ())


def test_what_is_no_release_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.json").write_text("[]")

    with pytest.raises(Invalid, match=r"folder is no release folder: it has no manifest\.json"):
        sources.of_path(tmp_path / "folder")
    with pytest.raises(Invalid, match=r"gone\.json cannot be read: No such file"):
        sources.of_path(tmp_path / "gone.json")
    with pytest.raises(Invalid, match=r"other\.json: The manifest cannot be read"):
        sources.of_path(tmp_path / "other.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        sources.of_path(tmp_path / "gone")


def table(text: str) -> Table:
    return parse(text, "mine.toml")


def test_a_policy_is_read_from_beside_the_scenario_or_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("phases: []\n")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")

    assert sources.text(table('policy_file = "a.yaml"'), "policy_file", tmp_path) == "phases: []\n"
    assert sources.text(table(f'policy_file = "{tmp_path}/a.yaml"'), "policy_file", Path("/")) == "phases: []\n"
    with pytest.raises(Invalid, match=r"line 1: policy_file: .*b\.yaml cannot be read: it is no text"):
        sources.text(table('policy_file = "b.yaml"'), "policy_file", tmp_path)
    with pytest.raises(Invalid, match=r"policy_file: .*gone cannot be read: No such file"):
        sources.text(table('policy_file = "gone"'), "policy_file", tmp_path)
