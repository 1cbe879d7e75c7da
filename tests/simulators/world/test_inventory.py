"""A server's list of devices is read as it was written, or refused by one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_server.devices.views import ComponentOut, DeviceOut
from surefoot_shared.errors import Invalid
from surefoot_simulators.world.inventory import Listed, Part, left_out, read, runs, spread

DEVICE = {
    "id": "gate-3",
    "hw": "rpi5",
    "online": False,
    "last_seen_at": None,
    "revoked": False,
    "agent": "1.0",
    "tags": ["lab"],
    "attributes": {"site": "hue", "country": "VN"},
    "components": [{"component": "app", "release": "app/1.0", "slot": "a", "state": "idle", "slots": {}}],
}
"""As the API answers; a device that runs more, or that nothing is known of, is made of it."""


def test_the_list_has_what_the_api_answers() -> None:
    assert {"id", "hw", "online", "revoked", "tags", "attributes", "components"} <= DeviceOut.model_fields.keys()
    assert {"component", "release"} <= ComponentOut.model_fields.keys()


def test_a_device_is_what_the_list_says(tmp_path: Path) -> None:
    (tmp_path / "devices.json").write_text(json.dumps([DEVICE]))

    (found,) = read(tmp_path / "devices.json")

    assert (found.id, found.hw, found.site, found.online, found.tags) == ("gate-3", "rpi5", "hue", False, ("lab",))
    assert found.components == (Part("app", "app/1.0"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"devices\.json: it is no JSON: .* line 1"),
        ("{}", r"devices\.json: it is no list of devices"),
        ('[{"id": "a"}]', r"device 1: Listed\.hw"),
        ('[{"id": "a", "hw": "pi"}, {"id": "../x", "hw": "pi"}]', r"device 2: .*\.\./x"),
        ('[{"id": "a", "hw": ""}]', "device 1: .*a has no hardware"),
        ('[{"id": "a", "hw": "x"}, {"id": "a", "hw": "x"}]', "a is in it twice"),
    ],
)
def test_what_is_wrong_is_named_with_its_device(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "devices.json").write_text(text)

    with pytest.raises(Invalid, match=words):
        read(tmp_path / "devices.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"gone\.json: it cannot be read: No such file"):
        read(tmp_path / "gone.json")


def test_fewer_of_them_are_from_all_over_the_list() -> None:
    devices = [Listed(f"d{number}", "pi") for number in range(10)]

    assert [each.id for each in spread(devices, 3)] == ["d0", "d3", "d6"]
    assert spread(devices, 10) == spread(devices, 11) == devices


def test_what_a_scenario_has_no_release_for_is_counted() -> None:
    devices = [
        Listed("a", "pi", components=(Part("app", "app/1.0"), Part("model", "model/1.1"), Part("fw", "fw/3"))),
        Listed("b", "pi", components=(Part("app", "app/0.9"), Part("model", "model/m1"))),
        Listed("c", "pi", components=(Part("model", "model/m1"),)),
    ]
    versions = {"1.0": "app", "1.1": "app", "m1": "model"}

    assert [runs(device, versions) for device in devices] == [("1.0",), ("m1",), ("m1",)]
    assert left_out(devices, versions, ("app", "model")) == (
        "Of 3 listed devices 1 with app/0.9 and 1 with model/1.1 and 1 with nothing known of app "
        "begin with what the fleet runs here; their fw is not played"
    )
    assert left_out(devices[:1], {"1.0": "app", "1.1": "model", "3": "fw"}, ("app", "model", "fw")) == ""
