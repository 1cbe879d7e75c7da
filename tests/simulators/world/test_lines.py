"""A line is read with the units that people use."""

from __future__ import annotations

import pytest

from surefoot_shared.errors import Invalid
from surefoot_simulators.device.link import Network
from surefoot_simulators.world.lines import network
from surefoot_simulators.world.toml_lines import parse


def test_a_line_is_read_in_kilobits_and_spans() -> None:
    table = parse('delay = "80ms"\nrate_kbps = 800\nloss = 0.1\nmetered = true', "a.toml")

    assert network(table) == Network(delay_s=0.08, loss=0.1, rate_bytes_per_s=100_000.0, metered=True)


def test_nothing_said_is_a_good_line() -> None:
    assert network(parse("", "a.toml")) == Network()


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(Invalid, match="jitter"):
        network(parse("jitter = 1", "a.toml"))
