"""`python -m surefoot_simulators.bench.forecast_child DEVICES RUNS`: forecast, and say what it took as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence

import numpy as np

from surefoot_server.rollouts.forecast.assumed import Assumed, Group
from surefoot_server.rollouts.forecast.course import Course
from surefoot_server.rollouts.forecast.draws import draw
from surefoot_server.rollouts.forecast.people import from_groups
from surefoot_server.rollouts.forecast.readings import Readings
from surefoot_server.rollouts.forecast.summary import START
from surefoot_server.rollouts.policy import parse

SITE_OF = 50
"""Devices at a site."""


def main(argv: Sequence[str]) -> None:
    devices, runs = int(argv[0]), int(argv[1])
    began_s = time.perf_counter()
    policy = parse(f"limits: {{max_concurrent: {max(200, devices // 200)}}}")
    sites = max(1, devices // SITE_OF)
    people = from_groups(policy, [Group(devices // 2, hw, "s", sites) for hw in ("jetson-orin", "rpi5")], "bench")
    assumed, events, end = Assumed(), 0, ""
    for run in range(runs):
        generator = np.random.default_rng((1, run))
        draws = draw(people, assumed, assumed.healthy, generator)
        looking = Readings(policy, people, assumed.healthy, assumed.healthy, generator).look
        played = Course(policy, people, draws, START, 0.0, looking).play()
        events, end = events + played.events, played.state.value
    took_s = time.perf_counter() - began_s
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took_s, "memory_mib": memory_mib, "events": events, "end": end}))


if __name__ == "__main__":
    main(sys.argv[1:])
