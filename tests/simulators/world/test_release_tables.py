"""A release of a scenario is written by hand, or comes from a recipe or a built release; keys beside `from` win."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.errors import Invalid
from surefoot_shared.release import CheckKind, Probation, SlotKind
from surefoot_simulators.world.release_tables import Release, read
from surefoot_simulators.world.toml_lines import parse

RECIPE = """
component = "counter"
version = "2.4"
counter = 24
svn = 3
hw = ["rpi5"]
[application]
argv = ["bin/count"]
shadow = true
[probation]
startup_s = 60
soak_s = 90
[data]
forward = ["bin/migrate"]
[[checks]]
name = "camera"
kind = "camera"
params = { url = "http://127.0.0.1:9/metrics", min_fps = 10, streams = 2 }
[[checks]]
name = "answers"
kind = "http"
params = { url = "http://127.0.0.1:9/" }
[[checks]]
name = "heat"
kind = "metric"
params = { metric = "soc_temperature_c", max = 80 }
"""


def releases(folder: Path, text: str, recipe: str = RECIPE, component: str = "") -> tuple[str, tuple[Release, ...]]:
    (folder / "release.toml").write_text(recipe)
    return read(list(parse(text, "mine.toml").tables("release")), component, folder)


def test_a_recipe_says_what_a_scenario_need_not_say_again(tmp_path: Path) -> None:
    component, (made,) = releases(tmp_path, '[[release]]\nfrom = "release.toml"\n')

    assert component == "counter"
    assert (made.version, made.component, made.counter, made.svn, made.hw) == ("2.4", "counter", 24, 3, ("rpi5",))
    assert (made.probation, made.shadow, made.slot) == (Probation(60, 3, 90), True, SlotKind.TREE)
    assert [check.name for check in made.checks] == ["camera", "answers", "heat"]


def test_what_no_run_shows_is_one_sentence_without_a_path(tmp_path: Path) -> None:
    _, (made,) = releases(tmp_path, '[[release]]\nfrom = "release.toml"\n')

    assert made.unplayed == (
        "Not played of 2.4: the copy of its data and their migrations ([data]); "
        "the look of answers, heat (passes unless an effect fails it); streams of camera. "
        "2.4 is played as 40 MB, since a recipe says no size"
    )
    assert made.checks[0].params == {"url": "http://127.0.0.1:9/metrics", "min_fps": 10}


def test_keys_beside_from_win_and_effects_are_the_scenarios_own(tmp_path: Path) -> None:
    text = """
[[release]]
from = "release.toml"
version = "2.5"
counter = 30
svn = 4
hw = "jetson"
size_mb = 3
soak = "10s"
shadow = false
[[release.check]]
name = "alive"
kind = "process"
[[release.effect]]
fails = "alive"
"""
    _, (made,) = releases(tmp_path, text)

    assert (made.version, made.counter, made.svn, made.hw, made.size_bytes) == ("2.5", 30, 4, ("jetson",), 3e6)
    assert (made.probation, made.shadow) == (Probation(60, 3, 10), False)
    assert [check.kind for check in made.checks] == [CheckKind.PROCESS]
    assert made.effects[0].conduct.fails == "alive"
    assert "look of" not in made.unplayed
    assert "MB" not in made.unplayed


def test_releases_by_hand_around_one_that_was_built_keep_the_order_of_the_file(tmp_path: Path) -> None:
    text = '[[release]]\nversion = "2.2"\n[[release]]\nversion = "2.3"\n'
    text += '[[release]]\nfrom = "release.toml"\n[[release]]\nversion = "2.6"\n[[release]]\nversion = "m"\n'
    component, found = releases(tmp_path, text + 'component = "model"\n')

    assert component == "counter"
    assert [made.counter for made in found] == [22, 23, 24, 25, 105]
    assert releases(tmp_path, text, RECIPE.replace("24", "1"))[1][0].counter == 1


def test_a_recipe_that_names_nothing_takes_the_scenarios_names(tmp_path: Path) -> None:
    component, (made,) = releases(tmp_path, '[[release]]\nfrom = "release.toml"\nversion = "1"\n', "svn = 2\n")

    assert (component, made.component, made.counter, made.svn, made.checks) == ("app", "app", 101, 2, ())
    assert releases(tmp_path, '[[release]]\nfrom = "release.toml"\nversion = "1"\n', "", "cam")[1][0].component == "cam"


@pytest.mark.parametrize(
    ("text", "recipe", "words"),
    [
        ('from = "gone.toml"', "", "line 2: release.0.from: {folder}/gone.toml cannot be read: No such file"),
        ('from = "release.toml"', "colour = 1", "release.0.from: {folder}/release.toml has an unknown key 'colour'"),
        ('from = "release.toml"', "svn = 'x'", "release.0.from: {folder}/release.toml: Recipe.svn"),
        ('from = "release.toml"', "svn = 1", "release.0.from: a recipe that says no version needs one here"),
        ("from = 7", "", "release.0.from: 7 is not a text"),
        ('from = ""', "", "release.0.from: '' is no path"),
        ('version = "1"\nhw = ""', "", "line 3: release.0.hw: '' is no name"),
        ('version = "a b"', "", "release.0.version: 'a b' is no version"),
        ('version = "1"\ncomponent = "A"', "", "line 3: release.0.component: 'A' is no name"),
        ('version = "1"\n[[release.effect]]', "", "line 3: release.0.effect.0: it changes nothing"),
        ('version = "1"\n[[release.effect]]\nfps = 1.0', "", "release.0.effect.0: it changes nothing"),
        ('version = "1"\n[[release.effect]]\ncrash_after = "0s"', "", "crash_after: '0s' is outside 1s to 36525d"),
        ('version = "1"\n[[release.effect]]\npanic_after = "-1m"', "", "panic_after: '-1m' is outside 1s to"),
        (
            'version = "1"\n[[release.effect]]\nfails = "camra"',
            "",
            "'camra' is no check of this release; it has process",
        ),
        (
            'version = "1"\n[[release.check]]\nname = "x"\nkind = "metric"\nparams = {metric = "heat", max = 1}',
            "",
            "release.0.check.0.params: a simulated application shows only camera_fps",
        ),
    ],
)
def test_what_is_wrong_is_named_with_line_and_field(tmp_path: Path, text: str, recipe: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        releases(tmp_path, f"[[release]]\n{text}\n", recipe)

    assert words.format(folder=tmp_path) in caught.value.message


def test_where_a_recipe_lies_and_how_its_file_is_called_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/other.toml").write_text(RECIPE)

    assert releases(tmp_path, '[[release]]\nfrom = "far/other.toml"') == releases(
        tmp_path, '[[release]]\nfrom = "release.toml"'
    )
