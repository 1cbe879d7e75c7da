"""Every kind of fault has its strike, does what it says, and is counted."""

from __future__ import annotations

import pytest

from surefoot_simulators.world import strikes
from surefoot_simulators.world.faults import DEVICE_KINDS, Kind, read
from surefoot_simulators.world.recording import Teller
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import parsed
from surefoot_simulators.world.toml_lines import parse
from surefoot_simulators.world.world import World

EARLY = '''
title = "Struck in the first minute"
promise = "A device has one agent."
duration = "50m"

[[fleet.devices]]
count = 2

[[release]]
version = "1.0"

[[release]]
version = "1.1"
startup = "10s"
soak = "10s"

[[rollout]]
at = "3m"
release = "1.1"
policy = """
phases: [{name: all, percent: 100, bake: 1m}]
gate: {objectives: [{metric: reverted, fail_if_surely_above: 90%}]}
"""

[[expect]]
kind = "outcomes"
version = "1.1"
exactly = 2

[[expect]]
kind = "faults"
exactly = 2
'''


def test_every_kind_has_its_strike() -> None:
    assert set(strikes.ON_DEVICE) == set(DEVICE_KINDS)
    assert set(strikes.SHARED) == set(Kind) - set(DEVICE_KINDS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('kind = "clock_skew"\nby = "1h"', lambda node: node.board.skew_s == 3600.0),
        ('kind = "disk_full"', lambda node: node.slots.free_bytes == 0),
        ('kind = "corrupt"\npieces = 3', lambda node: node.downloader.corrupt == 3),
        ('kind = "link_cut"', lambda node: not node.link.reachable),
        ('kind = "network"\nnetwork = {loss = 0.5}', lambda node: node.link.network.loss == 0.5),
        ('kind = "switch_ignored"', lambda node: node.boot.ignores_switches),
    ],
)
def test_a_strike_does_what_it_says_and_is_told(played: World, text: str, seen: object) -> None:
    fault, node = read(parse(text, "a.toml")), played.nodes["cam-0003"]
    before = (node.board.skew_s, node.slots.free_bytes, node.downloader.corrupt, node.link.network)

    strikes.ON_DEVICE[fault.kind](played, node, fault)

    assert seen(node)  # type: ignore[operator]
    node.board.skew_s, node.slots.free_bytes, node.downloader.corrupt, node.link.network = before
    node.link.mend()
    node.boot.ignores_switches = False


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ['"power_cut"', '"reboot"\nat = "5s"', '"panic"\nat = "30s"', '"agent_kill"\nat = "5s"']
)
def test_what_ends_a_device_finds_one_that_is_off_once_it_is_switched_on(fault: str) -> None:
    recording = run(parsed(f"{EARLY}\n[[fault]]\nkind = {fault}\n", "early"))

    assert [met.found for met in recording.expectations if not met.held] == []
    on = {point.device: point.t for point in reversed(recording.points)}
    struck = [told for told in recording.story if told.by is Teller.FAULT]
    assert all(told.t >= on[told.device or ""] for told in struck)


@pytest.mark.slow
def test_a_fault_at_a_step_is_counted_under_its_kind_and_one_that_never_struck_is_named() -> None:
    faults = ("point = 'in probation'", "point = 'in rescue'")
    text = "".join(f"\n[[fault]]\nkind = 'power_cut'\n{fault}\n" for fault in faults)
    asks = '\n[[expect]]\nkind = "faults"\ntext = "power_cut"\nexactly = 2\n'

    recording = run(parsed(f"{EARLY}{text}{asks}", "steps"))

    assert [met.found for met in recording.expectations if not met.held] == []
    assert recording.faults == {"power_cut": 2}
    assert {told.text for told in recording.story if told.by is Teller.FAULT} == {"power_cut in probation"}
    assert recording.unplayed == ("The power_cut in rescue of line 38 never struck",)


@pytest.mark.slow
def test_what_died_before_it_was_switched_on_is_never_heard_of() -> None:
    recording = run(parsed(f'{EARLY}\n[[fault]]\nkind = "silent_death"\ncount = 1\n', "early"))

    assert [(met.held, met.found[:1]) for met in recording.expectations] == [(False, "1"), (False, "1")]


@pytest.mark.slow
def test_what_struck_while_it_ran_is_in_the_story(played: World) -> None:
    told = [(line.device, line.text) for line in played.notes.story if line.by is Teller.FAULT]

    assert ("cam-0002", "power_cut in staged") in told
    assert (None, "broker_restart for 20 s") in told
