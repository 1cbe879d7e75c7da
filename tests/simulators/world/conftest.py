"""One small world that is played once, for the tests that look at what came of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from surefoot_simulators.world import strikes
from surefoot_simulators.world.run import set_going
from surefoot_simulators.world.scenario import Scenario, parsed
from surefoot_simulators.world.world import World

SMALL = '''
title = "Three cameras and a root"
promise = "It is played once for many tests."
duration = "2h"

[[fleet.devices]]
count = 3
sites = ["hue", "vinh"]

[[fleet.devices]]
count = 1
name = "root"
hw = "jetson-orin"
boot = "counter"

[[release]]
version = "1.0"

[[release]]
version = "1.1"

[[release.effect]]
where = "device == 'cam-0001'"
fails = "camera"

[[release]]
version = "2.0"
hw = ["x86-box"]

[[rollout]]
at = "3m"
release = "1.1"
policy = """
phases: [{name: all, percent: 100, bake: 10m}]
gate: {objectives: [{metric: reverted, fail_if_surely_above: 90%}]}
"""

[[act]]
at = "4m"
do = "pause"

[[act]]
at = "5m"
do = "resume"

[[fault]]
kind = "power_cut"
point = "in staged"
where = "device == 'cam-0002'"
for = "10s"

[[fault]]
kind = "broker_restart"
at = "12m"
for = "20s"

[[expect]]
kind = "runs_at_end"
version = "1.1"
exactly = 3

[[expect]]
kind = "lost_events"
exactly = 0

[[expect]]
kind = "bricked"
exactly = 3
'''


def small() -> Scenario:
    return parsed(SMALL, "small")


@pytest.fixture(scope="session")
def played() -> Iterator[World]:
    """The world at its end."""
    world = World(small(), 7)
    set_going(world)
    strikes.plan(world)
    world.queue.run(3000.0)
    yield world
    world.close()
