"""Recordings for machines and for CI pages: JUnit XML, and a summary in Markdown. Pure.

Promises: an expectation is a test case with its file and line; a scenario that was refused is an error, not a failure.
Sources: the JUnit schema that Jenkins and GitLab read; GitHub's job summaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from surefoot_simulators.world.recording import Recording

HOUR_S = 3600.0


def to_junit(recordings: Sequence[Recording]) -> str:
    """One suite for each scenario, one case for each expectation."""
    cases = sum(len(recording.expectations) for recording in recordings)
    failures = sum(not met.held for recording in recordings for met in recording.expectations)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<testsuites name="surefoot sim" tests="{cases}" failures="{failures}">',
    ]
    for recording in recordings:
        lines += _suite(recording)
    return "\n".join([*lines, "</testsuites>", ""])


def to_markdown(recordings: Sequence[Recording]) -> str:
    """A table of scenarios, then what did not hold."""
    lines = ["| scenario | promise | result | devices | played | rollouts |", "|---|---|---|--:|--:|---|"]
    lines += [_row(recording) for recording in recordings]
    missed = [(r, met) for r in recordings for met in r.expectations if not met.held]
    if missed:
        lines += ["", "What did not hold:", ""]
        lines += [f"- `{r.scenario}`, line {met.line}: {met.text}. Found: {met.found}." for r, met in missed]
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
    return "\n".join(lines)


def _suite(recording: Recording) -> list[str]:
    failures = sum(not met.held for met in recording.expectations)
    name = quoteattr(recording.scenario)
    lines = [f'  <testsuite name={name} tests="{len(recording.expectations)}" failures="{failures}">']
    for met in recording.expectations:
        file = quoteattr(f"{recording.scenario}.toml")
        head = f'    <testcase classname={name} name={quoteattr(met.text)} file={file} line="{met.line}"'
        if met.held:
            lines.append(f"{head}/>")
        else:
            lines += [f"{head}>", f"      <failure message={quoteattr(f'found {met.found}')}/>", "    </testcase>"]
    return [*lines, "  </testsuite>"]


def _row(recording: Recording) -> str:
    held = sum(met.held for met in recording.expectations)
    result = "passed" if recording.passed else f"**failed**: {held} of {len(recording.expectations)} held"
    promise = recording.promise.replace("|", "\\|")
    return (
        f"| `{recording.scenario}` | {promise} | {result} | {len(recording.devices)} "
        f"| {_played(recording)} | {_ends(recording)} |"
    )


def _played(recording: Recording) -> str:
    return f"{recording.seconds / HOUR_S:.1f} h"


def _ends(recording: Recording) -> str:
    """How each rollout stands at the end."""
    last = {point.rollout: point for point in recording.rollouts}
    return ", ".join(f"{point.release} {point.state.value}" for point in last.values()) or "no rollout"
