"""Pictures are well-formed SVG, add up, say in words what they show, and let nothing through unescaped."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from surefoot_simulators.world import drawing
from surefoot_simulators.world.drawing import LEFT, OUTCOME_COLOURS, RIGHT, STATE_COLOURS, WIDTH, Span
from surefoot_simulators.world.series import Curves

CURVES = Curves((0.0, 50.0, 100.0), {"idle": (4, 2, 4), "offline": (0, 2, 0)})


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_bands_stand_on_each_other_and_fill_the_picture() -> None:
    drawn = parsed(drawing.bands(CURVES, 100.0, STATE_COLOURS, (25.0,), title="a fleet"))

    idle, offline = drawn.findall("polygon")
    corners = [p.split(",") for p in (idle.get("points") or "").split()]
    top = [p.split(",") for p in (offline.get("points") or "").split()]
    assert (float(corners[0][0]), float(corners[2][0])) == (LEFT, WIDTH - RIGHT)
    assert top[4] == corners[1], "the lower edge of the second is the upper edge of the first"
    assert drawn.get("aria-label") == "a fleet"
    assert len([p for p in drawn.findall("path") if p.get("class") == "mark"]) == 1


def test_a_bar_says_from_when_to_when() -> None:
    rows = [("canary", [Span(0.0, 3600.0, "offering"), Span(3600.0, 3600.0, "failed")])]

    drawn = parsed(drawing.bars(rows, 7200.0, drawing.PHASE_COLOURS, title="phases"))

    first, mark = drawn.findall("rect")
    assert first.findtext("title") == "canary: offering from 0 s to 1 h"
    assert float(mark.get("width") or 0) >= 1.5, "a moment can still be seen"


def test_shares_are_on_one_scale_with_their_sum_beside_them() -> None:
    rows = [("first", {"committed": 3, "lost": 1}), ("second", {"committed": 2})]

    drawn = parsed(drawing.shares(rows, OUTCOME_COLOURS, title="outcomes"))

    wide = [float(r.get("width") or 0) for r in drawn.findall("rect")]
    assert wide[0] == pytest.approx(1.5 * wide[2], abs=0.2)
    assert [t.text for t in drawn.findall("text")][1::2] == ["4", "2"]


def test_names_are_escaped_everywhere() -> None:
    hostile = '<script>"x"&'
    curves = Curves((0.0, 1.0), {hostile: (1, 1)})
    drawn = drawing.bands(curves, 1.0, {hostile: "#000"}, title=hostile) + drawing.legend([hostile], {hostile: "#000"})

    assert "<script>" not in drawn
    parsed(f"<div>{drawn}</div>")


@pytest.mark.parametrize("seconds", [0.0, 5.0, 90.0, 7200.0, 3 * 86400.0, 400 * 86400.0])
def test_an_axis_has_a_few_round_times_whatever_the_length(seconds: float) -> None:
    drawn = parsed(drawing.bars([], seconds, {}, title="empty"))

    assert 1 <= len(drawn.findall("text")) <= 9


@pytest.mark.parametrize(("seconds", "said"), [(45, "45 s"), (720, "12 min"), (23400, "6.5 h"), (172800, "2 d")])
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert drawing.length(seconds) == said
