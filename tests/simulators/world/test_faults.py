"""A fault is read with its kind, its time or step, and whom it strikes."""

from __future__ import annotations

import pytest

from surefoot_shared.errors import Invalid
from surefoot_simulators.world.faults import STEPS, Kind, read
from surefoot_simulators.world.toml_lines import parse


def test_a_fault_is_read_with_its_units() -> None:
    fault = read(parse('kind = "link_cut"\nat = "5m"\nevery = "1m"\ntimes = 3\nshare = 0.5', "a.toml"))

    assert (fault.kind, fault.at_s, fault.every_s, fault.times, fault.share) == (Kind.LINK_CUT, 300.0, 60.0, 3, 0.5)
    assert fault.strikes_devices


@pytest.mark.parametrize("point", ["in probation", "before boot commit", "after trial"])
def test_states_and_writes_are_steps(point: str) -> None:
    assert point in STEPS
    assert read(parse(f'kind = "power_cut"\npoint = "{point}"', "a.toml")).point == point


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "earthquake"', "line 1: kind: 'earthquake' is not one of power_cut"),
        ('kind = "power_cut"\npoint = "somewhere"', "line 2: point: 'somewhere' is not one of"),
        ('kind = "link_cut"\npoint = "in probation"', "strikes at a time, not at a step"),
        ('kind = "link_cut"\nwhere = "hw =="', "line 2: where"),
        ('kind = "link_cut"\nhow = 1', "line 2: how: there is no such key"),
        ('kind = "link_cut"\nby = "5m"', "line 2: by: there is no such key here; known are at, count"),
        ('kind = "broker_restart"\nshare = 0.5', "line 2: share: there is no such key here"),
        ('kind = "network"', "a fault of kind network needs network"),
        ('kind = "clock_skew"', "a fault of kind clock_skew needs by"),
        ('kind = "reboot"\nshare = 0.5\ncount = 2', "line 3: count: it has a share as well"),
        ('kind = "reboot"\ntimes = 3', "line 2: times: it strikes once, unless"),
        ('kind = "link_cut"\nfor = "-1h"', "line 2: for: '-1h' is outside 0s to"),
        ('kind = "reboot"\nevery = "-1s"\ntimes = 2', "line 2: every: '-1s' is outside 0s to"),
        ('kind = "reboot"\nevery = "12h"\ntimes = 3', "line 3: times: the last of 3 would strike at 86400 s"),
        ('kind = "reboot"\ncount = 0', "line 2: count: 0 is not a whole number from 1"),
        ('kind = "corrupt"\npieces = 0', "line 2: pieces: 0 is not a whole number from 1"),
        ('kind = "clock_skew"\nby = "0s"', "line 2: by: a clock that is wrong by nothing is right"),
        ('kind = "clock_skew"\nby = "3000000d"', "line 2: by: '3000000d' is outside -36525d to 36525d"),
        ('kind = "reboot"\nevery = "1m"', "line 2: every: it strikes once, unless"),
    ],
)
def test_what_cannot_be_is_refused_with_line_and_field(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read(parse(text, "a.toml"), 86_400.0)


def test_what_all_share_strikes_no_device() -> None:
    assert not read(parse('kind = "broker_restart"', "a.toml")).strikes_devices
