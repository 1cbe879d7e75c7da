"""A forecast in words: every chance with its interval, every phase as a bar on one scale."""

from __future__ import annotations

from dataclasses import replace

from surefoot_server.cli import outlook
from surefoot_server.rollouts.forecast.answer import Chance, Forecast, PhaseForecast, Spread

HOUR = 3600.0
FIRST = PhaseForecast("canary", 20, 0.0, 2 * HOUR, 8 * HOUR, 97)
LAST = PhaseForecast("100%", 1980, 8 * HOUR, 14 * HOUR, 16 * HOUR, 0)
FOUND = Forecast(
    devices=2000,
    excluded=1,
    runs=100,
    seed=1,
    duration_s=Spread(10 * HOUR, 16 * HOUR, 20 * HOUR, 30 * HOUR),
    succeeds=Chance(96, 100, 0.96, 0.9, 0.99),
    false_halt=Chance(1, 100, 0.01, 0.0, 0.054),
    held=Chance(3, 100, 0.03, 0.006, 0.085),
    exposed=Spread(3, 7, 12, 15),
    stopped_s=Spread(60, 600, 3600, 7200),
    missed=Chance(3, 100, 0.03, 0.006, 0.085),
    bad_held=Chance(0, 100, 0.0, 0.0, 0.036),
    phases=(FIRST, LAST),
    why_halted="2 of 20 devices reverted",
    why_held="",
)


def test_the_answers_come_first_and_a_chance_has_its_interval() -> None:
    text = outlook.text(FOUND)

    assert "2000 devices in 2 phases, 1 device left out" in text
    assert "16h; 5 to 95 of 100 runs: 10h to 20h" in text
    assert "1.0% of runs (95 % sure: 0.0% to 5.4%): 2 of 20 devices reverted" in text
    assert "7 devices at once; 95 of 100 runs: 12; at worst 15" in text


def test_phases_are_bars_on_the_scale_of_the_whole_rollout() -> None:
    assert outlook.bar(FIRST, 16 * HOUR) == "█" * 6 + "░" * 18
    assert outlook.bar(LAST, 16 * HOUR) == " " * 24 + "█" * 18 + "░" * 6


def test_a_phase_that_no_run_reached_has_no_bar_and_says_so() -> None:
    never = replace(LAST, began_s=None, baking_s=None, ended_s=None)

    assert outlook.bar(never, 16 * HOUR) == ""
    assert "not reached" in outlook.text(replace(FOUND, phases=(FIRST, never)))


def test_a_bad_release_that_nothing_stops_is_said_to_be_stopped_never() -> None:
    assert "Bad: stopped after" in outlook.text(FOUND)
    assert "never" in outlook.text(replace(FOUND, stopped_s=Spread()))
