"""The report of a run as one HTML file: what was expected, the fleet over time, phases, and the story. Pure.

Promises: one file without scripts and without any address, so it can be kept beside a build and opened for years; light
and dark; what is drawn is also said in words or numbers. The longest story is cut, and says by how much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from surefoot_shared.status import PhaseState
from surefoot_simulators.world import drawing, series
from surefoot_simulators.world.drawing import OUTCOME_COLOURS, PALETTE, PHASE_COLOURS, STATE_COLOURS, Span, length
from surefoot_simulators.world.recording import Recording, Teller

PHASE_ENDED = (PhaseState.PASSED, PhaseState.FAILED)
STORY_LINES = 400
MARKS = 300
STYLE = """
:root{color-scheme:light dark;--ink:#1d2329;--soft:#59636e;--line:#d5dbe1;--page:#fff;--good:#2f6b22;--bad:#a02c28}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaee;--soft:#9aa5b1;--line:#39424c;--page:#14181c;--good:#8fd07c;
--bad:#ff9a93}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0 auto;padding:1.5rem;
max-width:62rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.25rem;margin:2.5rem 0 .2rem}h3{font-size:1rem;margin:1.6rem 0 .3rem}
p{margin:.2rem 0}.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:.9rem}
td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.axis{stroke:var(--line);fill:none}.mark{stroke:var(--bad);stroke-width:1.5}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.2rem 0 0;padding:0;font-size:.85rem}
.legend i{display:inline-block;width:.8rem;height:.8rem;margin-right:.35rem;vertical-align:-1px;border-radius:2px}
details>summary{cursor:pointer;margin:1.2rem 0 .3rem;font-weight:600}
"""


def to_html(recordings: Sequence[Recording]) -> str:
    """One page about all of these runs."""
    parts = [_overview(recordings), *(_run(recording) for recording in recordings)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(_sentence(recordings))}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _sentence(recordings: Sequence[Recording]) -> str:
    good, count = sum(recording.passed for recording in recordings), len(recordings)
    if count == 1:
        return f"{recordings[0].title}: {'as expected' if good else 'not as expected'}"
    return f"{good} of {count} scenarios went as expected"


def _overview(recordings: Sequence[Recording]) -> str:
    head = f"<h1>{escape(_sentence(recordings))}</h1>"
    if len(recordings) == 1:
        return head
    rows = [
        (
            _verdict(recording.passed),
            f'<a href="#{escape(recording.scenario, quote=True)}">{escape(recording.title)}</a>',
            escape(recording.promise),
            str(len(recording.devices)),
            length(recording.seconds),
        )
        for recording in recordings
    ]
    return head + _table(("", "scenario", "promise", "devices", "played"), rows, numbers={3, 4})


def _run(recording: Recording) -> str:
    return "\n".join(
        part
        for part in (
            f'<section id="{escape(recording.scenario, quote=True)}"><h2>{escape(recording.title)}</h2>',
            f"<p>{escape(recording.promise)} {_verdict(recording.passed)}</p>",
            f'<p class="soft">{_facts(recording)}</p>',
            "".join(f'<p class="soft">{escape(sentence)}.</p>' for sentence in recording.unplayed),
            _expectations(recording),
            _fleet(recording),
            _phases(recording),
            _endings(recording),
            _story(recording),
            "</section>",
        )
        if part
    )


def _facts(recording: Recording) -> str:
    struck = ", ".join(f"{n} × {kind}" for kind, n in recording.faults.items())
    said = [
        f"{len(recording.devices)} devices",
        f"{length(recording.seconds)} from {recording.started_at}",
        f"seed {recording.seed}",
        f"digest {recording.digest[:16]}",
        f"faults: {struck}" if struck else "no faults",
    ]
    return escape(" · ".join(said))


def _expectations(recording: Recording) -> str:
    rows = [
        (_verdict(met.held), escape(met.text), escape(met.found), str(met.line) if met.line else "")
        for met in recording.expectations
    ]
    return "<h3>What was expected</h3>" + _table(("", "expectation", "found", "line"), rows, numbers={3})


def _fleet(recording: Recording) -> str:
    marks = [told.t for told in recording.story if told.by is Teller.FAULT][:MARKS]
    versions, states = series.by_version(recording), series.by_state(recording)
    colours = _version_colours(list(versions.counts))
    struck = '<p class="soft">Red marks at the top: faults.</p>' if marks else ""
    ends, stood = _ends(versions.counts), f"Devices by state: {_ends(states.counts)}"
    return (
        "<h3>What the devices ran</h3>"
        + drawing.bands(versions, recording.seconds, colours, marks, title=f"Devices by version: {ends}")
        + drawing.legend(list(versions.counts), colours)
        + f"<p>At the end: {escape(ends)}.</p>{struck}<h3>How the devices stood</h3>"
        + drawing.bands(states, recording.seconds, STATE_COLOURS, marks, title=stood)
        + drawing.legend(list(states.counts), STATE_COLOURS)
    )


def _ends(counts: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"{values[-1]} × {name}" for name, values in counts.items() if values[-1]) or "nothing"


def _version_colours(names: Sequence[str]) -> dict[str, str]:
    versions = [name for name in names if name != series.NOTHING]
    colours = {name: PALETTE[n % len(PALETTE)] for n, name in enumerate(versions)}
    return {**colours, series.NOTHING: STATE_COLOURS[series.NOTHING]}


def _phases(recording: Recording) -> str:
    """Each phase as a bar of its states, and its members by outcome."""
    if not recording.phases:
        return ""
    rows = [(name, spans(recording, rollout, phase)) for (rollout, phase), name in _named(recording).items()]
    used = [name for name in PHASE_COLOURS if any(span.name == name for _, found in rows for span in found)]
    tallies = [
        (_called(recording, tally.rollout, tally.name), {**tally.outcomes})
        for tally in recording.tallies
        if tally.members
    ]
    kinds = [name for name in OUTCOME_COLOURS if any(counts.get(name) for _, counts in tallies)]
    ended = "; ".join(
        f"{_called(recording, tally.rollout, tally.name)} {tally.state.value}, {tally.members} devices"
        for tally in recording.tallies
    )
    return (
        "<h3>Phases</h3>"
        + drawing.bars(rows, recording.seconds, PHASE_COLOURS, title=f"Phases over time: {ended}")
        + drawing.legend(used, PHASE_COLOURS)
        + f"<p>{escape(ended)}.</p><h3>How attempts ended, phase by phase</h3>"
        + drawing.shares(tallies, OUTCOME_COLOURS, title="Outcomes of each phase")
        + drawing.legend(kinds, OUTCOME_COLOURS)
    )


def spans(recording: Recording, rollout: str, phase: int) -> list[Span]:
    """From when to when the phase was in which state; the end of it is a short mark."""
    points = [point for point in recording.phases if (point.rollout, point.phase) == (rollout, phase)]
    found = []
    for number, point in enumerate(points):
        ends_s = points[number + 1].t if number + 1 < len(points) else recording.seconds
        if point.state in PHASE_ENDED:
            ends_s = min(ends_s, point.t + recording.seconds / 150)
        if point.state is not PhaseState.PENDING:
            found.append(Span(point.t, ends_s, point.state.value))
    return found


def _named(recording: Recording) -> dict[tuple[str, int], str]:
    return {(p.rollout, p.phase): _called(recording, p.rollout, p.name) for p in recording.phases}


def _called(recording: Recording, rollout: str, phase: str) -> str:
    return phase if len({point.rollout for point in recording.phases}) == 1 else f"{rollout} {phase}"


def _endings(recording: Recording) -> str:
    counted: dict[tuple[str, str, str], int] = {}
    for ending in recording.endings:
        key = (ending.release, ending.outcome.value, ending.reason or "")
        counted[key] = counted.get(key, 0) + 1
    rows = [(*(escape(part) for part in key), str(n)) for key, n in sorted(counted.items())]
    if not rows:
        return ""
    return "<h3>Attempts</h3>" + _table(("release", "outcome", "reason", "times"), rows, numbers={3})


def _story(recording: Recording) -> str:
    lines = recording.story[:STORY_LINES]
    left = len(recording.story) - len(lines)
    rows = [(length(told.t), told.by.value, escape(told.device or ""), escape(told.text)) for told in lines]
    more = f"<p>{left} more lines are in the JSON of the run.</p>" if left else ""
    head = f"<details{'' if recording.passed else ' open'}><summary>The story, {len(recording.story)} lines</summary>"
    return head + _table(("after", "by", "device", ""), rows, numbers={0}) + more + "</details>"


def _verdict(held: bool) -> str:
    return '<span class="good">✔ held</span>' if held else '<span class="bad">✖ not so</span>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: set[int] | None = None) -> str:
    """Cells are HTML already."""
    right = numbers or set()

    def cells(row: Sequence[str], tag: str) -> str:
        marked = [' class="n"' if n in right else "" for n in range(len(row))]
        return "".join(f"<{tag}{mark}>{cell}</{tag}>" for cell, mark in zip(row, marked, strict=True))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"
