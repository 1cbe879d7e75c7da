"""Write down why the device goes back, with its evidence, where both slots find it, before anything goes back.

Promises: one report for an attempt, the first one stands however often the step is repeated; where the guard went back
alone, its reason and the last words that it kept are told, though no agent of the new release ever ran; a full disk
loses the file and not the way back, as the journal gets the report too. Every part of it is bounded.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from surefoot_agent import events as e
from surefoot_agent import guard
from surefoot_agent.record import Record
from surefoot_agent.reset_cause import Cause
from surefoot_agent.sight import Hands
from surefoot_agent.trial import Verdict
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import RevertReport

LOG_TAIL_BYTES = 8 * 1024
"""Twenty events travel in one message of 256 KiB, and each may be a revert report."""


def store_report(hands: Hands, record: Record) -> e.Event:
    """Return the stored report of this attempt; make and store it where there is none."""
    name = quote(record.wish.assignment, safe="") if record.wish else "none"
    path = hands.reports_dir / f"{name}-{record.attempt}.json"
    try:
        return e.ReportStored(wire.decode(RevertReport, path.read_bytes()))
    except (OSError, Invalid):
        pass  # not written yet, or torn by the cut that brought us here
    report = _report(hands, record)
    try:
        hands.reports_dir.mkdir(parents=True, exist_ok=True)
        guard.write_file(path, wire.encode(report))
    except OSError:
        pass  # a full disk must not keep the device on a bad release; the journal gets the report too
    return e.ReportStored(report)


def _report(hands: Hands, record: Record) -> RevertReport:
    ending, ended_by = record.ending, hands.origin.ended(record.boot)
    restarted = ended_by is not Cause.APPLICATION_DIED
    return RevertReport(
        check=ending.check if ending else None,
        message=ending.message if ending else "",
        log_tail=_last_words(hands, record),
        cause=ending.cause if ending else Cause.UNEXPLAINED.value,
        measured=ending.measured if ending else {},
        start=record.starts,
        reset_cause=ended_by.value if restarted else None,
        kernel_tail=hands.origin.kernel_tail if restarted else "",
        checks=ending.checks if ending else (),
    )


def _last_words(hands: Hands, record: Record) -> str:
    """The end of the release's log; once the guard went back, the old release goes on in the same file."""
    trial = hands.trials.of(record.wish.assignment, record.attempt) if record.wish else None
    kept = _kept(hands.component_dir) if trial is not None and trial.verdict is Verdict.GUARD else None
    return (kept if kept is not None else hands.application.log_tail())[-LOG_TAIL_BYTES:]


def _kept(component_dir: Path) -> str | None:
    try:
        return (component_dir / guard.LAST_WORDS).read_bytes().decode(errors="replace")
    except OSError:
        return None
