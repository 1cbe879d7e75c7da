"""The report is one page: well formed, on its own, with every expectation and every picture of the run."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from surefoot_shared.status import PhaseState
from surefoot_simulators.world.recording import Met, PhasePoint, Teller, Told
from surefoot_simulators.world.report import STORY_LINES, spans, to_html
from tests.simulators.world.test_recording import RECORDING

VOID = {"meta", "path", "br"}


class Reader(HTMLParser):
    """Refuses what is not closed, and keeps tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_well_formed_and_needs_nothing_from_anywhere() -> None:
    reader = read(to_html([RECORDING]))

    tags = {tag for tag, _ in reader.seen}
    assert not tags & {"script", "link", "img", "iframe"}
    assert not [a for _, attributes in reader.seen for a in attributes if a in ("src", "onload", "onclick")]
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in reader.seen)


def test_it_shows_the_fleet_twice_the_phases_and_their_outcomes() -> None:
    drawn = [a.get("aria-label") or "" for tag, a in read(to_html([RECORDING])).seen if tag == "svg"]

    assert [label.partition(":")[0] for label in drawn] == [
        "Devices by version",
        "Devices by state",
        "Phases over time",
        "Outcomes of each phase",
    ]


def test_every_expectation_stands_there_with_what_was_found() -> None:
    missed = Met("at most 3 devices ever run 1.1", False, "9 devices", 31)

    page = to_html([replace(RECORDING, expectations=(*RECORDING.expectations, missed))])

    assert "A bad release: not as expected" in page
    assert "9 devices" in page
    assert page.count("✖ not so") == 2, "of the run, and of the expectation"


def test_several_runs_have_an_overview_that_leads_to_each() -> None:
    page = to_html([RECORDING, replace(RECORDING, scenario="other", title="Another")])

    assert "2 of 2 scenarios went as expected" in page
    targets = {a.get("href") for tag, a in read(page).seen if tag == "a"}
    assert targets == {"#bad_release", "#other"}


def test_hostile_names_stay_text() -> None:
    hostile = "<img src=x onerror=alert(1)>"

    reader = read(to_html([replace(RECORDING, title=hostile, promise=hostile, scenario='"><script>')]))

    assert not {tag for tag, _ in reader.seen} & {"img", "script"}


def test_a_long_story_is_cut_and_says_by_how_much() -> None:
    story = tuple(Told(float(n), Teller.DEVICE, f"line {n}", "cam-1") for n in range(STORY_LINES + 7))

    page = to_html([replace(RECORDING, story=story)])

    assert "7 more lines are in the JSON" in page
    assert f"line {STORY_LINES}" not in page


def test_a_run_without_any_rollout_has_a_report_too() -> None:
    quiet = replace(RECORDING, rollouts=(), phases=(), tallies=(), endings=(), story=(), points=())

    assert "What the devices ran" in to_html([quiet])


def test_a_phase_is_a_bar_of_its_states_until_it_ends() -> None:
    points = (
        PhasePoint(0.0, "r1", 0, "canary", PhaseState.PENDING),
        PhasePoint(10.0, "r1", 0, "canary", PhaseState.OFFERING),
        PhasePoint(60.0, "r1", 0, "canary", PhaseState.PASSED),
    )

    offering, passed = spans(replace(RECORDING, phases=points, seconds=150.0), "r1", 0)

    assert (offering.begins_s, offering.ends_s, offering.name) == (10.0, 60.0, "offering")
    assert (passed.begins_s, passed.ends_s) == (60.0, 61.0), "a short mark"


def test_what_no_run_shows_is_told_before_what_was_expected() -> None:
    page = to_html([replace(RECORDING, unplayed=("not played of 1.1: <data>",))])

    assert page.index("not played of 1.1: &lt;data&gt;.") < page.index("What was expected")
