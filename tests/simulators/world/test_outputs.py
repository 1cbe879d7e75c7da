"""Recordings as JUnit and Markdown: each expectation with its line, what did not hold by name, no sign that breaks."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from surefoot_simulators.world.outputs import to_junit, to_markdown, to_text
from surefoot_simulators.world.recording import Met, Teller, Told
from tests.simulators.world.test_recording import RECORDING

MISSED = replace(
    RECORDING,
    scenario="worse",
    promise="A | sign, and <another>.",
    expectations=(
        *RECORDING.expectations,
        Met('devices that ever run "1.1" & more: at most 2', False, "3: a, b, c", 31),
    ),
)


def test_every_expectation_is_a_case_and_what_did_not_hold_a_failure() -> None:
    root = ElementTree.fromstring(to_junit([RECORDING, MISSED]))

    assert (root.get("tests"), root.get("failures")) == ("3", "1")
    case = root.findall("testsuite")[1].findall("testcase")[1]
    assert (case.get("line"), case.get("name")) == ("31", 'devices that ever run "1.1" & more: at most 2')
    assert case.find("failure").get("message") == "found 3: a, b, c"  # type: ignore[union-attr]


def test_the_summary_has_a_row_for_each_scenario_and_names_what_did_not_hold() -> None:
    lines = to_markdown([RECORDING, MISSED]).splitlines()

    assert [line.count("|") - line.count("\\|") for line in lines[:4]] == [7] * 4
    assert "**failed**: 1 of 2 held" in lines[3]
    assert lines[-1].startswith("- `worse`, line 31:")


def test_a_person_reads_the_result_first() -> None:
    assert to_text(RECORDING).startswith("bad_release: passed")
    assert "found 3: a, b, c" in to_text(MISSED)


def test_a_failure_says_what_was_decided_and_why_and_where_its_scenario_lies() -> None:
    story = tuple(Told(60.0 * n, Teller.SERVER, f"hold phase: look {n} & <no> data") for n in range(20))
    missed = replace(MISSED, story=(*story, Told(9.0, Teller.DEVICE, "a sneeze", "cam-1")))
    case = ElementTree.fromstring(to_junit([missed], ["fleets/worse.toml"])).findall(".//testcase")[1]

    assert case.get("file") == "fleets/worse.toml"
    assert "look 19 & <no> data" in (case.findtext("failure") or "")
    assert "  decided after 19 min: hold phase: look 19 & <no> data" in to_text(missed)
    assert "(8 earlier decisions are in the report)" in to_markdown([missed])
    assert "sneeze" not in to_text(missed)


def test_what_no_run_shows_is_told_in_each_of_them() -> None:
    given = replace(RECORDING, unplayed=("not played of 1.1: the copy of its data & more",))

    assert ElementTree.fromstring(to_junit([given])).findtext(".//system-out") == given.unplayed[0]
    assert to_markdown([given]).splitlines()[-1] == f"- `bad_release`: {given.unplayed[0]}"
    assert to_text(given).splitlines()[-1] == f"  {given.unplayed[0]}"


def test_no_text_breaks_a_row_of_the_summary_or_is_read_as_html() -> None:
    promise = 'It holds\nfor | "<b>all</b>" &amp; R&D.\x1b[2J\n'
    made = to_markdown([replace(MISSED, promise=promise, scenario="a`b|c"), RECORDING]).splitlines()

    assert made[2].startswith(
        '| `a\'b\\|c` | It holds for \\| "&lt;b>all&lt;/b>" &amp;amp; R&D.\N{REPLACEMENT CHARACTER}[2J | **failed**'
    )
    assert made[3].startswith(f"| `{RECORDING.scenario}` |")


def test_no_text_makes_what_is_no_xml() -> None:
    met = Met("lines of the story that say '\x1b[2J\x00'", False, "0", 31)

    root = ElementTree.fromstring(to_junit([replace(RECORDING, expectations=(met,), unplayed=("\x01",))]))

    assert "[2J" in (root.findall(".//testcase")[0].get("name") or "")
