"""What a forecast says; values that the server's API knows without loading what makes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chance:
    """A share of the runs, and between what the true one lies at 95 % confidence."""

    runs: int
    of: int
    share: float
    at_least: float
    at_most: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles over the runs; all 0 where there was none."""

    p5: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    most: float = 0.0


@dataclass(frozen=True, slots=True)
class PhaseForecast:
    """Median seconds from the start of the rollout, over runs with a healthy release that came so far.

    `stopped`: runs with the bad release that ended in this phase. `trips`: the counts that fail it, by outcome.
    """

    name: str
    members: int
    began_s: float | None
    baking_s: float | None
    ended_s: float | None
    stopped: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """`duration_s`: until a healthy release succeeded. `exposed`: the most devices at once that ran the bad one."""

    devices: int
    excluded: int
    runs: int
    seed: int
    duration_s: Spread
    succeeds: Chance
    false_halt: Chance
    """A healthy release is taken for a bad one."""
    held: Chance
    """A healthy release waits for a person, besides asked approvals."""
    exposed: Spread
    stopped_s: Spread
    """From the start until the bad release was stopped, or held."""
    missed: Chance
    """The bad release reaches everybody."""
    bad_held: Chance
    phases: tuple[PhaseForecast, ...]
    why_halted: str
    """Of a healthy release, the commonest reason; "" where none was."""
    why_held: str
