"""Devices of a scenario: groups that are alike, or those of a server's list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_shared.errors import Invalid
from surefoot_shared.release import SlotKind
from surefoot_simulators.device.boot import Kind
from surefoot_simulators.world.groups import Group, read
from surefoot_simulators.world.release_tables import Release
from surefoot_simulators.world.toml_lines import parse

RELEASES = (
    Release("1.0", 1),
    Release("1.1", 2),
    Release("m1", 1, component="model"),
    Release("m2", 2, component="model"),
)
Found = tuple[tuple[Group, ...], tuple[str, ...]]
DEVICES = [
    {
        "id": "gate-1",
        "hw": "rpi5",
        "tags": ["lab"],
        "attributes": {"site": "hue", "country": "VN"},
        "components": [{"component": "app", "release": "app/1.1"}, {"component": "model", "release": "model/m2"}],
    },
    {"id": "gate-2", "hw": "jetson", "components": []},
    {"id": "gate-3", "hw": "jetson", "revoked": True},
]


def groups(folder: Path, text: str, releases: tuple[Release, ...] = RELEASES) -> Found:
    (folder / "devices.json").write_text(json.dumps(DEVICES))
    return read(parse(text, "mine.toml").table("fleet"), releases, "app", folder)


@pytest.mark.parametrize("header", ["[fleet]", "[[fleet.devices]]"])
def test_each_device_of_the_list_is_itself_and_begins_with_what_it_runs(tmp_path: Path, header: str) -> None:
    (first, second), said = groups(tmp_path, f'{header}\nfrom = "devices.json"\n')

    assert (first.called(1), first.hw, first.sites, first.tags) == ("gate-1", "rpi5", ("hue",), ("lab",))
    assert (first.runs, first.beside, first.attributes["country"]) == ("1.1", ("m2",), "VN")
    assert (second.called(2), second.runs, second.beside, second.sites) == ("gate-2", "", (), ("",))
    assert said == (
        "Of 2 listed devices 1 with nothing known of app and 1 with nothing known of model "
        "begin with what the fleet runs here",
    )


def test_keys_beside_from_win(tmp_path: Path) -> None:
    text = '[[fleet.devices]]\nfrom = "devices.json"\nwhere = "hw == \'rpi5\'"\nhw = "pi4"\nsites = "s"\ntags = []\n'
    text += 'runs = "1.0"\nboot = "one-shot"\nattributes = {country = "LA"}\nnetwork = {delay = "1s"}\n'

    (only,), said = groups(tmp_path, text)

    assert (only.called(1), only.hw, only.sites, only.tags, only.runs) == ("gate-1", "pi4", ("s",), (), "1.0")
    assert (only.boot, only.attributes["country"], only.network.delay_s) == (Kind.ONE_SHOT, "LA", 1.0)
    assert said == ()


def test_devices_by_hand_may_stand_beside_listed_ones(tmp_path: Path) -> None:
    found, _ = groups(tmp_path, '[[fleet.devices]]\nfrom = "devices.json"\ncount = 1\n[[fleet.devices]]\ncount = 4\n')

    assert [(group.called(2), group.count) for group in found] == [("gate-1", 1), ("cam-0002", 4)]


def test_where_the_release_is_an_image_devices_boot_one(tmp_path: Path) -> None:
    (group,), _ = groups(tmp_path, "[[fleet.devices]]\ncount = 1\n", (Release("7", 7, slot=SlotKind.IMAGE),))

    assert group.boot is Kind.COUNTER


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[fleet]\n", r"fleet: it has no devices"),
        ('[fleet]\nfrom = "gone.json"', r"line 2: fleet\.from: .*gone\.json: it cannot be read"),
        ('[[fleet.devices]]\nfrom = "devices.json"\nname = "x"', r"line 3: fleet\.devices\.0\.name: devices of a list"),
        ('[[fleet.devices]]\nfrom = "devices.json"\nwhere = "hw == 3"', r"fleet\.devices\.0\.where"),
        ('[[fleet.devices]]\nfrom = "devices.json"\nwhere = "hw == \'x\'"', r"where: no device of the list fits"),
        ('[[fleet.devices]]\ncount = 1\nwhere = "all"', r"where: there is no such key"),
        ("[[fleet.devices]]\ncount = 1\nsites = []", r"sites: it needs a site"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        groups(tmp_path, text)
