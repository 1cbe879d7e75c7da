"""The played environment is held to the real tools: what one writes, the other reads, wherever the flag stands."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from surefoot_simulators.bootloader.environment import Medium, decode, encode

pytestmark = pytest.mark.needs("fw_printenv")


@pytest.fixture
def medium(tmp_path: Path) -> Medium:
    made = Medium(tmp_path / "bootstate")
    made.format({"who": "factory"})
    made.config(tmp_path / "fw_env.config")
    return made


def tool(medium: Medium, name: str, *given: str) -> str:
    config = medium.path.with_name("fw_env.config")
    done = subprocess.run([name, "-c", str(config), "-f", "/dev/null", *given], capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("flags", list(itertools.product((0, 1, 2, 254, 255), repeat=2)))
def test_both_take_the_same_copy_for_the_newer(medium: Medium, flags: tuple[int, int]) -> None:
    medium.path.write_bytes(encode(flags[0], {"who": "first"}) + encode(flags[1], {"who": "second"}))

    found = medium.read()

    assert found is not None
    assert tool(medium, "fw_printenv") == f"who={found['who']}\n"


def test_each_reads_what_the_other_wrote_over_a_whole_turn_of_the_flag(medium: Medium) -> None:
    for turn in range(130):
        medium.write({"who": f"played {turn}"})
        assert tool(medium, "fw_printenv", "-n", "who") == f"played {turn}\n"
        tool(medium, "fw_setenv", "who", f"tool {turn}")
        assert medium.read() == {"who": f"tool {turn}"}


def test_a_torn_copy_is_passed_over_for_the_one_before(medium: Medium) -> None:
    before = medium.path.read_bytes()
    medium.write({"who": "new"})
    after = medium.path.read_bytes()

    for cut in range(0, 0x1000, 512):
        for torn in (after[:cut] + before[cut:], before[:cut] + after[cut:0x1000] + before[0x1000:]):
            medium.path.write_bytes(torn)
            found = medium.read()
            assert found in ({"who": "factory"}, {"who": "new"})
            assert tool(medium, "fw_printenv") == f"who={(found or {}).get('who')}\n"


def test_without_a_whole_copy_there_is_nothing(medium: Medium) -> None:
    medium.path.write_bytes(bytes(0x2000))

    assert medium.read() is None
    assert tool(medium, "fw_printenv") == ""


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        encode(0, {"name": "x" * 0x1000})


def test_any_damaged_byte_is_noticed() -> None:
    whole = encode(7, {"a": "1"})

    assert decode(whole) == (7, {"a": "1"})
    for at in (0, 3, 5, 8, 0xFFF):
        assert decode(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]) is None
