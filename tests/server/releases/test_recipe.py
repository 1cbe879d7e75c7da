"""release.toml is read strictly: what is unknown or wrong is named, with the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.releases.recipe import Recipe, read_recipe
from surefoot_shared.checks import SPECS
from surefoot_shared.errors import ConfigError
from surefoot_shared.release import Application, CheckKind, DataHandling, Probation

WHOLE = """
component = "app"
version = "1.1"
counter = 101
svn = 2
hw = ["rpi5", "jetson-orin"]
notes = "Counts bicycles."
[application]
argv = ["bin/count", "--fast"]
stop_s = 3
[probation]
startup_s = 10
steady = 2
soak_s = 10
[data]
forward = ["bin/migrate", "up"]
backward = ["bin/migrate", "down"]
timeout_s = 60
[[checks]]
name = "camera"
kind = "camera"
k = 2
n = 3
params = { url = "http://127.0.0.1:{metrics_port}/metrics", min_fps = 5, max_frozen_ratio = 0.5 }
[[checks]]
name = "alive"
kind = "process"
required = false
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return tmp_path / "release.toml"


def refused(recipe: Path, text: str | bytes) -> ConfigError:
    recipe.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        read_recipe(recipe)
    assert str(recipe) in caught.value.message
    return caught.value


def test_a_whole_recipe_is_read(recipe: Path) -> None:
    recipe.write_text(WHOLE)

    read = read_recipe(recipe)

    assert (read.component, read.version, read.counter, read.svn) == ("app", "1.1", 101, 2)
    assert read.hw == ("rpi5", "jetson-orin")
    assert read.application == Application(("bin/count", "--fast"), 3)
    assert read.data == DataHandling(True, ("bin/migrate", "up"), ("bin/migrate", "down"), (), 60)
    assert read.probation == Probation(10, 2, 10)
    camera, alive = read.checks
    assert (camera.kind, camera.k, camera.n, camera.params["min_fps"]) == (CheckKind.CAMERA, 2, 3, 5)
    assert (alive.kind, alive.required) == (CheckKind.PROCESS, False)


def test_an_empty_recipe_is_all_defaults(recipe: Path) -> None:
    recipe.write_text("")

    assert read_recipe(recipe) == Recipe()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 1", "colour"),
        ("[application]\nargv = ['a']\nargs = []", "args"),
        ("[probation]\nsoak = 3", "soak"),
        ("[data]\nup = ['a']", "up"),
        ("[[checks]]\nname = 'a'\nkind = 'process'\ninterval = 3", "interval"),
    ],
)
def test_an_unknown_key_is_named(recipe: Path, text: str, key: str) -> None:
    error = refused(recipe, text)

    assert error.kind == "config_unknown_key"
    assert repr(key) in error.message


@pytest.mark.parametrize(
    "text",
    [
        "counter = 'many'",
        "counter = true",
        "hw = 'rpi5'",
        "version = 1.1",
        "version = 2026-01-01",
        "application = 3",
        "checks = 3",
        "[application]\nargv = []",
        "[application]\nargv = ['/bin/sh']",
        "[application]\nargv = ['../bin/sh']",
        "[probation]\nsoak_s = 7200",
        "[data]\nforward = ['/bin/sh']",
        "[data]\nforward = ['bin/up']\nsnapshot = false",
        "[data]\ntimeout_s = 0",
        "data = true",
        "[[checks]]\nname = 'a'\nkind = 'prayer'",
        "[[checks]]\nname = 'a'\nkind = 'process'\nk = 3\nn = 2",
    ],
)
def test_a_wrong_value_is_refused(recipe: Path, text: str) -> None:
    assert refused(recipe, text).kind == "config_invalid"


@pytest.mark.parametrize("text", ["[", "a = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_refused(recipe: Path, text: str | bytes) -> None:
    assert refused(recipe, text).kind == "config_unreadable"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        read_recipe(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (
            'kind = "camera"\nparams = { url = "http://x", min_fsp = 5 }',
            "check cam: params has an unknown key 'min_fsp'",
        ),
        ('kind = "http"', "check cam: params.url is missing"),
        ('kind = "command"\nparams = { command = "/bin/sh" }', "check cam: params.command is '/bin/sh'"),
        ('kind = "metric"\nparams = { metric = "x", max_ratio = "high" }', "params.max_ratio must be a number"),
        ('kind = "camera"\nparams = { url = true }', "params"),
        ('kind = "telepathy"', "kind"),
        ('kind = "process"\nk = 3\nn = 2', "check cam: k, n"),
    ],
)
def test_what_a_check_is_told_wrongly_is_named(tmp_path: Path, check: str, words: str) -> None:
    file = tmp_path / "release.toml"
    file.write_text(f'[[checks]]\nname = "cam"\n{check}\n')

    with pytest.raises(ConfigError) as caught:
        read_recipe(file)

    assert words in caught.value.message


def test_every_kind_of_check_can_be_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "release.toml"
    file.write_text(
        "".join(
            f'[[checks]]\nname = "c-{kind.value}"\nkind = "{kind.value}"\nparams = {{ {spec.example} }}\n'
            for kind, spec in SPECS.items()
        )
    )

    assert [check.kind for check in read_recipe(file).checks] == list(SPECS)
