"""The course of a shadow, look by look: when it starts, when it ends, and what the two differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from surefoot_agent import comparison
from surefoot_agent.comparison import (
    BEFORE_LOOKS,
    BLIND_LOOKS,
    HARM_LOOKS,
    Comparison,
    Figures,
    GoOn,
    Look,
    Over,
    Start,
    Step,
    differences,
    figures_of,
)
from surefoot_agent.scrape import parse
from surefoot_shared.messages import ShadowTerms

TERMS = ShadowTerms(for_s=10, min_fps_permille=800, min_memory_permille=100)
ALONE = Figures(fps=30.0, latency_s=0.01, processed=100.0, counts={"in": 50.0})
NONE = Figures(processed=0.0)


def beside(seconds: float, fps: float = 30.0, live: float = 0.0, shadow: float = 0.0) -> Look:
    """A look so many seconds after the baseline, with what each has counted since."""
    of_live, of_shadow = Figures(fps, 0.01, 100.0, {"in": 50.0 + live}), Figures(25.0, 0.02, 10.0, {"in": shadow})
    return Look(94.0 + seconds, of_live, of_shadow)


def play(looks: Sequence[Look]) -> tuple[Comparison, Step]:
    known, follows = Comparison(TERMS, startup_s=5.0), GoOn("")
    found: Step = follows
    for look in looks:
        known, found = comparison.looked(known, look)
    return known, found


BEFORE = [Look(90.0 + i, ALONE) for i in range(BEFORE_LOOKS)]


def test_the_live_release_is_looked_at_alone_before_anything_starts() -> None:
    assert isinstance(play(BEFORE[:-1])[1], GoOn)
    assert play(BEFORE)[1] == Start()


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        ([Look(1.0, None)] * BLIND_LOOKS, "shadow_unmeasured"),
        ([Look(1.0, Figures(fps=None))] * BLIND_LOOKS, "shadow_unmeasured"),
        ([Look(1.0, ALONE, memory_ratio=0.05)], "shadow_harmed"),
        ([*BEFORE, replace(beside(1.0), memory_ratio=0.05)], "shadow_harmed"),
        ([Look(1.0, ALONE, room=False)], "shadow_harmed"),
        ([*BEFORE, replace(beside(1.0), room=False)], "shadow_harmed"),
        ([*BEFORE, *[beside(1.0 + i, fps=20.0) for i in range(HARM_LOOKS)]], "shadow_harmed"),
        ([*BEFORE, *[replace(beside(1.0 + i), live=None) for i in range(HARM_LOOKS)]], "shadow_harmed"),
        ([*BEFORE, replace(beside(1.0), alive=False)], "shadow_died"),
        ([*BEFORE, replace(beside(5.0), shadow=NONE)], "shadow_died"),
        ([*BEFORE, beside(1.0), beside(11.0)], None),
    ],
)
def test_every_end_has_its_reason(looks: Sequence[Look], reason: str | None) -> None:
    found = play(looks)[1]

    assert isinstance(found, Over)
    assert found.reason == reason


@pytest.mark.parametrize(
    "looks",
    [
        [*BEFORE, *[beside(1.0 + i, fps=20.0) for i in range(HARM_LOOKS - 1)]],
        [*BEFORE, beside(1.0, fps=20.0), beside(2.0, fps=20.0), beside(3.0), beside(4.0, fps=20.0)],
        [*BEFORE, replace(beside(4.0), shadow=NONE)],
        [*BEFORE, beside(1.0), beside(10.0)],
        [Look(1.0, None)] * (BLIND_LOOKS - 1),
    ],
)
def test_one_bad_look_ends_nothing(looks: Sequence[Look]) -> None:
    assert isinstance(play(looks)[1], GoOn)


def test_it_says_the_same_at_each_look_while_it_runs() -> None:
    """What is said is kept on the medium and sent whenever it changes."""
    looks = [*BEFORE, *[beside(1.0 + i) for i in range(8)]]

    assert {play(looks[: len(BEFORE) + n])[1] for n in range(1, 9)} == {GoOn("runs beside the live release for 10 s")}


def test_agreement_is_of_what_was_counted_since_both_ran() -> None:
    known, _ = play([*BEFORE, beside(1.0, live=3.0, shadow=1.0), beside(9.0, live=23.0, shadow=16.0)])

    assert differences(known)["shadow_agreement_ratio"] == pytest.approx(15.0 / 20.0)


def test_nothing_counted_is_no_agreement() -> None:
    known, found = play([*BEFORE, beside(1.0), beside(12.0)])

    assert "shadow_agreement_ratio" not in differences(known, over=True)
    assert isinstance(found, Over)


def test_few_counts_are_told_at_the_end_and_not_on_the_way() -> None:
    known, _ = play([*BEFORE, beside(1.0), beside(9.0, live=2.0, shadow=1.0)])

    assert "shadow_agreement_ratio" not in differences(known)
    assert differences(known, over=True)["shadow_agreement_ratio"] == 0.5


def test_latency_and_cost_are_ratios_to_the_live_release() -> None:
    known, _ = play([*BEFORE, beside(1.0), beside(3.0, fps=27.0), beside(5.0, fps=27.0)])

    assert differences(known)["shadow_latency_ratio"] == pytest.approx(2.0)
    assert differences(known)["shadow_fps_cost_ratio"] == pytest.approx(0.1)


def test_a_page_of_metrics_is_read_over_all_its_streams() -> None:
    page = """
camera_fps{stream="0"} 10
camera_fps{stream="1"} 9
inference_p95_s{stream="0"} 0.1
inference_p95_s{stream="1"} 0.2
camera_frames_processed_total{stream="0"} 5
counts_total{direction="in",stream="0"} 3
"""
    found = figures_of(parse(page))

    assert (found.fps, found.latency_s, found.processed) == (19.0, 0.2, 5.0)
    assert list(found.counts.values()) == [3.0]
