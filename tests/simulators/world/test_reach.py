"""What can have no effect is refused before it is played: whom nobody fits, what is not there or comes too late."""

from __future__ import annotations

import pytest

from surefoot_shared.errors import Invalid
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
        ('at = "3m"', 'at = "-3m"', "at: it is before the beginning"),
        ('version = "2.0"', 'version = "1.1"', "two releases have the same version 1.1"),
        ('version = "1.1"\nexactly', 'version = "3"\nexactly', "expect: version: '3' is not one of 1.0, 1.1, 2.0"),
    ],
)
def test_what_can_never_come_to_pass_is_named_with_its_line(old: str, new: str, words: str) -> None:
    assert old in SMALL

    with pytest.raises(Invalid) as caught:
        parsed(SMALL.replace(old, new, 1), "small", "small.toml")

    assert words in caught.value.message
    assert caught.value.hint == "Correct the scenario and run it again."
