"""The judge: what a phase's devices reported becomes pass, fail or hold, with every number behind it. Pure.

`rates` counts outcomes, `measured` compares metrics, `verdict` joins both; `bounds`, `ranks` and `schedule` are the
arithmetic. The statistics are scipy's, and it is imported only where there is something to compute.
"""

from surefoot_server.rollouts.judge.bounds import (
    TRIPWIRE_UP_TO,
    bears_one_from,
    clean_devices,
    proved_below,
    surely_above,
    trip_count,
)
from surefoot_server.rollouts.judge.measured import Look, MetricMeasure, Reading
from surefoot_server.rollouts.judge.rates import Counts, Measure, measure
from surefoot_server.rollouts.judge.verdict import Finding, judge, reachable, reports_needed

__all__ = [
    "TRIPWIRE_UP_TO",
    "Counts",
    "Finding",
    "Look",
    "Measure",
    "MetricMeasure",
    "Reading",
    "bears_one_from",
    "clean_devices",
    "judge",
    "measure",
    "proved_below",
    "reachable",
    "reports_needed",
    "surely_above",
    "trip_count",
]
