"""A forecast starts from files of its own, or from recipes, built releases and lists of devices; its own files win."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts.forecast.assumed import Assumed, Group, Offline, Rates, There, Took
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_simulators.cli import assumptions
from surefoot_simulators.world.sources import Source

RECIPE = """
component = "app"
version = "1.1"
hw = ["rpi5"]
[probation]
startup_s = 60
steady = 4
soak_s = 90
[[checks]]
name = "process"
kind = "process"
interval_s = 5
"""
DEVICES = [
    {"id": "a", "hw": "rpi5", "attributes": {"site": "hue", "timezone": "Asia/Ho_Chi_Minh"}, "tags": ["lab"]},
    {"id": "b", "hw": "rpi5", "attributes": {"site": "hue"}, "online": False},
    {"id": "c", "hw": "rpi5", "attributes": {"site": "hue"}},
    {"id": "d", "hw": "x86", "revoked": True},
    {"id": "e", "hw": "rpi5", "components": [{"component": "app", "release": "app/1.1"}]},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "release.toml").write_text(RECIPE)
    (tmp_path / "devices.json").write_text(json.dumps(DEVICES))
    return tmp_path


def test_a_recipe_says_how_long_its_probation_takes_and_for_what_it_is(folder: Path) -> None:
    found = assumptions.release(folder / "release.toml", None)

    assert (found.assumed.probation, found.hw) == (Took(110.0, 150.0), frozenset({"rpi5"}))
    assert (found.assumed.healthy, found.assumed.bad) == (Assumed().healthy, Assumed().bad)


def test_rates_beside_from_win_over_it(folder: Path) -> None:
    (folder / "rates.yaml").write_text("from: release.toml\nprobation: {median: 1m}\nbad: {reverted: 50%}\n")

    found = assumptions.release(folder / "rates.yaml", Offline(0.5))

    assert (found.assumed.probation, found.assumed.offline.share) == (Took(60.0, 180.0), 0.5)
    assert found.assumed.bad.rates == Rates(reverted=0.5)
    assert found.source is not None


def test_without_a_release_all_is_plain() -> None:
    assert assumptions.release(None, None) == assumptions.Given(Assumed())


def test_listed_devices_are_grouped_and_as_many_are_offline_as_now(folder: Path) -> None:
    groups, offline = assumptions.fleet(folder / "devices.json", Source("1.1", "app"))

    assert [(group.count, group.hw, group.site, group.zone) for group in groups] == [
        (1, "rpi5", "hue", "Asia/Ho_Chi_Minh"),
        (2, "rpi5", "hue", ""),
    ]
    assert groups[0].tags == frozenset({"lab"})
    assert offline == Offline(1 / 3)
    assert sum(group.count for group in assumptions.fleet(folder / "devices.json")[0]) == 4


def test_a_fleet_may_be_the_list_and_more(folder: Path) -> None:
    (folder / "fleet.yaml").write_text("from: devices.json\noffline: {share: 9%}\ngroups: [{count: 5, hw: x86}]\n")

    groups, offline = assumptions.fleet(folder / "fleet.yaml")

    assert sum(group.count for group in groups) == 9
    assert offline is not None
    assert offline.share == 0.09


@pytest.mark.parametrize(
    ("kind", "name", "text", "words"),
    [
        ("release", "gone.toml", None, r"gone\.toml cannot be read"),
        ("release", "rates.yaml", "from: gone.toml\n", r"gone\.toml cannot be read"),
        ("release", "rates.yaml", "form: release.toml\n", "line 1: form: this key is not known"),
        ("fleet", "gone.yaml", None, r"gone\.yaml cannot be read"),
        ("fleet", "fleet.yaml", "offline: {share: 1%}\n", "line 1: groups: it is missing"),
        ("fleet", "fleet.yaml", "from: gone.json\n", r"gone\.json: it cannot be read"),
        ("fleet", "some.json", "[]", r"some\.json: no device of it would be updated"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, kind: str, name: str, text: str | None, words: str) -> None:
    if text is not None:
        (folder / name).write_text(text)

    with pytest.raises((ConfigError, Invalid), match=words) as caught:
        assumptions.fleet(folder / name) if kind == "fleet" else assumptions.release(folder / name, None)
    assert "docs/settings.md" not in caught.value.hint


def test_what_may_be_assumed_is_about_hardware_that_gets_it_and_metrics_that_somebody_judges(folder: Path) -> None:
    check = '[[checks]]\nname = "heat"\nkind = "metric"\nparams = {metric = "heat_c", max = 80}\n'
    camera = '[[checks]]\nname = "camera"\nkind = "camera"\nparams = {url = "http://127.0.0.1/", min_fps = 5}\n'
    (folder / "release.toml").write_text(RECIPE + check + camera)
    policy = policies.parse("gate: {objectives: [{metric: memory_bytes, against: control, max_ratio: 1.2}]}")
    groups = [Group(3, "rpi5"), Group(3, "x86")]

    found = assumptions.there(policy, groups, assumptions.release(folder / "release.toml", None))

    assert found == There({"rpi5"}, {"memory_bytes", "heat_c", "camera_fps"})
    assert assumptions.there(policies.parse(""), groups, assumptions.Given(Assumed())).hardware == {"rpi5", "x86"}
