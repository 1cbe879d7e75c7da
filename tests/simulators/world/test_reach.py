"""What can have no effect is refused before it is played: whom nobody fits, what is not there or comes too late."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.errors import Invalid
from surefoot_simulators.device.conduct import Usual
from surefoot_simulators.world.reach import traits
from surefoot_simulators.world.scenario import parsed
from tests.simulators.world.conftest import SMALL, small


def test_expressions_see_of_a_device_what_the_scenario_says_of_it() -> None:
    seen = list(traits(small()))

    assert [each.device for each in seen] == ["cam-0001", "cam-0002", "cam-0003", "root-0004"]
    assert [each.attributes["site"] for each in seen] == ["vinh", "hue", "vinh", "site-1"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("'cam-0001'", "'cam-0009'", "line 22: where: no device fits \"device == 'cam-0009'\""),
        ("'cam-0002'", "'cam-0009'", "where: no device fits"),
        ("where = \"device == 'cam-0002'\"", "share = 0.1", "share: 10.0% of 4 devices is nobody; give count"),
        ('at = "4m"', 'at = "3h"', "at: its time never comes, the scenario lasts 7200 s"),
        ('at = "12m"', 'at = "2h"', "at: its time never comes"),
        ('version = "2.0"', 'version = "1.1"', "two releases have the same version 1.1"),
        (
            'release = "1.1"\npolicy',
            'release = "2.0"\npolicy',
            "release: 2.0 is for x86-box, and the fleet is jetson-orin, rpi5",
        ),
        ('version = "1.1"\nexactly', 'version = "3"\nexactly', "expect: version: '3' is not one of 1.0, 1.1, 2.0"),
    ],
)
def test_what_can_never_come_to_pass_is_named_with_its_line(old: str, new: str, words: str) -> None:
    assert old in SMALL

    with pytest.raises(Invalid) as caught:
        parsed(SMALL.replace(old, new, 1), "small", "small.toml")

    assert words in caught.value.message
    assert caught.value.hint == "Correct the scenario and run it again."


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "[[fleet.devices]]\ncount = 1",
            '[[fleet.devices]]\nfrom = "devices.json"',
            "fleet: two devices are called cam-0001",
        ),
        (
            'version = "2.0"\nhw = ["x86-box"]',
            'from = "release.toml"',
            "2.0 is a folder, and app with boot = counter is kept",
        ),
        (
            'version = "1.0"',
            'version = "1.0"\nhw = "rpi5"',
            "devices with jetson-orin begin with what is not for them: 1.0",
        ),
    ],
)
def test_a_fleet_that_no_factory_makes_is_refused_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "release.toml").write_text('version = "2.0"\n[application]\nargv = ["run"]\n')
    (tmp_path / "devices.json").write_text('[{"id": "cam-0001", "hw": "jetson-orin"}]')
    text = SMALL.replace('name = "root"\nhw', "hw") if "devices.json" in new else SMALL
    assert old in text

    with pytest.raises(Invalid) as caught:
        parsed(text.replace(old, new, 1), "small", "small.toml", tmp_path)

    assert words in caught.value.message


def test_a_check_that_a_good_application_never_holds_is_refused_until_it_is_said_what_one_shows() -> None:
    check = '[[release.check]]\nname = "fast"\nkind = "metric"\nparams = {metric = "inference_p95_s", max = 0.02}\n'
    check += '[[release.check]]\nname = "camera"\nkind = "camera"\nparams = {max_fps = 15}\n'
    text = SMALL.replace('version = "1.1"\n', f'version = "1.1"\n{check}', 1)

    with pytest.raises(Invalid, match=r"check fast of 1\.1 never holds: inference_p95_s is 0\.04, at most 0\.02 is"):
        parsed(text, "small")
    with pytest.raises(Invalid, match=r"check camera of 1\.1 never holds: 25\.0 frames a second, 15\.0 at most"):
        parsed(f'{text}\n[application]\nlatency = "15ms"\n', "small")

    scenario = parsed(f'{text}\n[application]\nlatency = "15ms"\nfps = 12\nmemory_mb = 1\n', "small")
    assert scenario.usual == Usual(12.0, 0.015, 240.0, 1e6)
