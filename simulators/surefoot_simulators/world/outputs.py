"""Recordings for machines and for CI pages: JUnit XML, and a summary in Markdown. Pure.

Promises: an expectation is a test case with its file and line; a scenario that was refused is an error, not a failure.
Sources: the JUnit schema that Jenkins and GitLab read; GitHub's job summaries.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from surefoot_simulators.world.drawing import length
from surefoot_simulators.world.recording import Recording, Teller

HOUR_S = 3600.0
DECIDERS = (Teller.SERVER, Teller.OPERATOR)
PIPE, QUOTE, WHITE, REPLACEMENT = "\\|", "'", "\n\r\t", "\N{REPLACEMENT CHARACTER}"
_TAG = re.compile(r"<|&(?=#?\w+;)")
"""Where Markdown would read HTML: elsewhere these signs are themselves."""
DECISIONS = 12
"""Lines of a summary, the last of them; the report has all."""


def to_junit(recordings: Sequence[Recording], files: Sequence[str] = ()) -> str:
    """One suite for each scenario, one case for each expectation; `files` are the scenarios' paths, in their order.

    A failure says what was found, and below it what the server and the operators decided.
    """
    paths = files or [f"{recording.scenario}.toml" for recording in recordings]
    cases = sum(len(recording.expectations) for recording in recordings)
    failures = sum(not met.held for recording in recordings for met in recording.expectations)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<testsuites name="surefoot sim" tests="{cases}" failures="{failures}">',
    ]
    for recording, path in zip(recordings, paths, strict=True):
        lines += _suite(recording, path)
    return _plain("\n".join([*lines, "</testsuites>", ""]))


def to_markdown(recordings: Sequence[Recording]) -> str:
    """A table of scenarios, then what did not hold."""
    lines = ["| scenario | promise | result | devices | played | rollouts |", "|---|---|---|--:|--:|---|"]
    lines += [_row(recording) for recording in recordings]
    missed = [(r, met) for r in recordings for met in r.expectations if not met.held]
    if missed:
        lines += ["", "What did not hold:", ""]
        lines += [
            f"- {_code(r.scenario)}, line {met.line}: {_shown(met.text)}. Found: {_shown(met.found).rstrip('.')}."
            for r, met in missed
        ]
        for recording in recordings:
            if not recording.passed and (decided := decisions(recording)):
                said = (f"- {_shown(line)}" for line in decided)
                lines += ["", f"What was decided in {_code(recording.scenario)}:", "", *said]
    unplayed = [f"- {_code(r.scenario)}: {_shown(sentence)}" for r in recordings for sentence in r.unplayed]
    if unplayed:
        lines += ["", "What is in the files and no run shows:", "", *unplayed]
    return "\n".join([*lines, ""])


def to_text(recording: Recording) -> str:
    """A few lines for a person."""
    word = "passed" if recording.passed else "failed"
    lines = [
        f"{recording.scenario}: {word}, {_played(recording)} with {len(recording.devices)} devices, {_ends(recording)}"
    ]
    lines += [
        f"  not so: {met.text} (line {met.line}); found {met.found}" for met in recording.expectations if not met.held
    ]
    if not recording.passed:
        lines += [f"  decided {line}" for line in decisions(recording)]
    lines += [f"  {sentence}" for sentence in recording.unplayed]
    return "\n".join(lines)


def decisions(recording: Recording) -> list[str]:
    """What server and operators decided about the fleet and why, the last lines of it: where to begin to understand."""
    told = [each for each in recording.story if each.by in DECIDERS and each.device is None]
    left = [f"({len(told) - DECISIONS} earlier decisions are in the report)"] if len(told) > DECISIONS else []
    return left + [f"after {length(each.t)}: {each.text}" for each in told[-DECISIONS:]]


def _suite(recording: Recording, path: str) -> list[str]:
    failures = sum(not met.held for met in recording.expectations)
    name = quoteattr(recording.scenario)
    lines = [f'  <testsuite name={name} tests="{len(recording.expectations)}" failures="{failures}">']
    for met in recording.expectations:
        file = quoteattr(path)
        head = f'    <testcase classname={name} name={quoteattr(met.text)} file={file} line="{met.line}"'
        if met.held:
            lines.append(f"{head}/>")
        else:
            decided = escape("\n".join(decisions(recording)))
            found = quoteattr(f"found {met.found}")
            lines += [f"{head}>", f"      <failure message={found}>{decided}</failure>", "    </testcase>"]
    if recording.unplayed:
        lines.append(f"    <system-out>{escape(chr(10).join(recording.unplayed))}</system-out>")
    return [*lines, "  </testsuite>"]


def _row(recording: Recording) -> str:
    held = sum(met.held for met in recording.expectations)
    result = "passed" if recording.passed else f"**failed**: {held} of {len(recording.expectations)} held"
    cells = (
        _code(recording.scenario),
        _shown(recording.promise),
        result,
        str(len(recording.devices)),
        _played(recording),
        _shown(_ends(recording)),
    )
    return f"| {' | '.join(cell.replace('|', PIPE) for cell in cells)} |"


def _shown(text: str) -> str:
    """One line of Markdown that shows just this text: no tag, no entity, no control character."""
    return _TAG.sub(lambda found: escape(found[0]), " ".join(_plain(text).split()))


def _code(name: str) -> str:
    """A file's name as code, which ends with nothing in it."""
    return f"`{' '.join(_plain(name).split()).replace('`', QUOTE)}`"


def _plain(text: str) -> str:
    """Without control characters, of which XML allows only those of white space, and a page of CI none."""
    return "".join(each if each in WHITE or unicodedata.category(each) != "Cc" else REPLACEMENT for each in text)


def _played(recording: Recording) -> str:
    return f"{recording.seconds / HOUR_S:.1f} h"


def _ends(recording: Recording) -> str:
    """How each rollout stands at the end."""
    last = {point.rollout: point for point in recording.rollouts}
    return ", ".join(f"{point.release} {point.state.value}" for point in last.values()) or "no rollout"
