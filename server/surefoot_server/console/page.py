"""What the console's one page says, read from the database: the sentence first, then what it is made of.

Promises: the same words as API and command line; a page shows at most ROWS devices, so it stays under 100 kB for any
fleet, and says how many it leaves out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from surefoot_server.devices import repository
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.devices.repository import DeviceView
from surefoot_server.devices.views import why_of
from surefoot_server.rollouts.models import Rollout, RolloutMember, RolloutPhase
from surefoot_shared.status import ROLLOUT_ENDED, Outcome, RolloutState

ROWS = 150
OUTCOMES = 15
ATTENTION = 20
BAD = frozenset({Outcome.REVERTED.value, Outcome.FAILED.value, Outcome.LOST.value, Outcome.REFUSED.value})
ENDED = frozenset(state.value for state in ROLLOUT_ENDED)
TONES = {
    "committed": "good",
    "passed": "good",
    "pass": "good",
    "succeeded": "good",
    "reverted": "bad",
    "failed": "bad",
    "fail": "bad",
    "lost": "bad",
    "halted": "bad",
    "refused": "bad",
    "rescue": "bad",
    "reverting": "bad",
    "held": "wait",
    "hold": "wait",
    "paused": "wait",
    "idle": "calm",
    "pending": "calm",
    "superseded": "calm",
    "cancelled": "calm",
}
"""Word → tone; the word is always written beside the colour. Anything else is at work."""


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One step of the ladder; the four counts add up to `members`."""

    name: str
    selector: str
    state: str
    verdict: str
    reason: str
    members: int
    done: int
    bad: int
    busy: int
    outcomes: tuple[tuple[str, int], ...]

    @property
    def waiting(self) -> int:
        return max(0, self.members - self.done - self.bad - self.busy)

    def bar(self) -> list[tuple[str, float, float]]:
        """(tone, start, width) in percent of the members, for the drawing."""
        total, start, parts = max(1, self.members), 0.0, []
        for tone, count in (("good", self.done), ("bad", self.bad), ("work", self.busy), ("calm", self.waiting)):
            width = 100.0 * count / total
            if count:
                parts.append((tone, round(start, 2), round(width, 2)))
            start += width
        return parts


@dataclass(frozen=True, slots=True)
class RolloutView:
    id: str
    release: str
    cohort: str
    state: str
    reason: str
    phases: tuple[PhaseView, ...]


@dataclass(frozen=True, slots=True)
class DeviceRow:
    id: str
    hw: str
    online: bool
    tags: tuple[str, ...]
    runs: str
    wanted: str
    state: str
    why: str
    last_seen: str


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    device: str
    release: str
    outcome: str
    reason: str
    message: str
    ago: str


@dataclass(frozen=True, slots=True)
class Page:
    sentence: str
    attention: tuple[tuple[str, str, str], ...]
    rollouts: tuple[RolloutView, ...]
    rows: tuple[DeviceRow, ...]
    total: int
    outcomes: tuple[OutcomeRow, ...]


def read(session: Session, query: str, now: datetime) -> Page:
    found = repository.search(session, query, ROWS)
    rollouts = tuple(_rollout(session, row) for row in _shown_rollouts(session))
    views = repository.views(session, found)
    return Page(
        sentence=sentence(_running(session), _count(session), rollouts),
        attention=_attention(session),
        rollouts=rollouts,
        rows=tuple(row for view in views for row in _rows(session, view, now)),
        total=_count(session),
        outcomes=tuple(_outcome(row, now) for row in repository.recent_outcomes(session, OUTCOMES)),
    )


def sentence(running: Mapping[str, int], total: int, rollouts: Sequence[RolloutView]) -> str:
    """The fleet in one sentence: what most devices run, and where the newest rollout stands."""
    if total == 0:
        return "No device is enrolled yet; make a token with surefoot enrol-token create."
    if not running:
        said = f"None of {total:,} devices has reported a known release"
    else:
        release, count = max(running.items(), key=lambda item: (item[1], item[0]))
        said = f"{count:,} of {total:,} devices run {release}"
    return f"{said}; {_of_rollout(rollouts[0])}." if rollouts else f"{said}."


def _of_rollout(rollout: RolloutView) -> str:
    words = _ROLLOUT_WORDS.get(rollout.state, "{} is " + rollout.state).format(rollout.release)
    phase = next((p for p in rollout.phases if p.state not in ("passed", "pending")), None)
    if phase is None:
        return words
    if phase.bad:
        return f"{words}: {phase.bad} of {phase.members} did not keep it in {phase.name}"
    return f"{words}: {phase.done} of {phase.members} committed in {phase.name}, which is {phase.state}"


_ROLLOUT_WORDS = {
    "running": "{} is rolling out",
    "succeeded": "the rollout of {} succeeded",
    "failed": "the rollout of {} failed",
    "cancelled": "the rollout of {} was cancelled",
    "reverting": "{} is being taken back",
}


def tone(word: str) -> str:
    return TONES.get(word, "work")


def ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    seconds = max(0, int((now - at).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _count(session: Session) -> int:
    return session.exec(select(func.count()).select_from(Device)).one()


def _running(session: Session) -> dict[str, int]:
    query = select(DeviceComponent.release_id, func.count()).where(col(DeviceComponent.release_id).is_not(None))
    return {str(name): count for name, count in session.exec(query.group_by(col(DeviceComponent.release_id)))}


def _attention(session: Session) -> tuple[tuple[str, str, str], ...]:
    query = select(Device).where(col(Device.attention).is_not(None)).order_by(col(Device.attention_at).desc())
    return tuple((d.id, d.attention or "", d.attention_message) for d in session.exec(query.limit(ATTENTION)))


def _shown_rollouts(session: Session) -> list[Rollout]:
    """Those that go on, newest first, else the one that ended last."""
    newest = select(Rollout).where(Rollout.state != RolloutState.DRAFT.value).order_by(col(Rollout.number).desc())
    going = list(session.exec(newest.where(col(Rollout.state).not_in(ENDED)).limit(5)))
    return going or list(session.exec(newest.limit(1)))


def _rollout(session: Session, row: Rollout) -> RolloutView:
    phases = select(RolloutPhase).where(RolloutPhase.rollout_id == row.id).order_by(col(RolloutPhase.index))
    counts = _phase_counts(session, row.id)
    made = tuple(_phase(phase, counts.get(phase.index, Counter())) for phase in session.exec(phases))
    return RolloutView(row.id, row.release_id, row.cohort, row.state, row.reason, made)


def _phase_counts(session: Session, rollout_id: str) -> dict[int, Counter[str]]:
    """Attempts of each phase's members by outcome; those without one count as `open`."""
    query = (
        select(RolloutMember.phase, Assignment.outcome, func.count())
        .join(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .where(RolloutMember.rollout_id == rollout_id)
        .group_by(col(RolloutMember.phase), col(Assignment.outcome))
    )
    counts: dict[int, Counter[str]] = {}
    for phase, outcome, count in session.exec(query):
        if phase is not None:
            counts.setdefault(phase, Counter())[outcome or "open"] += count
    return counts


def _phase(row: RolloutPhase, counts: Counter[str]) -> PhaseView:
    return PhaseView(
        name=row.name,
        selector=row.selector,
        state=row.state,
        verdict=row.verdict or "",
        reason=row.reason,
        members=row.members,
        done=counts[Outcome.COMMITTED.value],
        bad=sum(counts[outcome] for outcome in BAD),
        busy=counts["open"],
        outcomes=tuple(sorted((name, count) for name, count in counts.items() if name != "open")),
    )


def _rows(session: Session, view: DeviceView, now: datetime) -> list[DeviceRow]:
    device = view.device
    names = [p.component for p in view.components] or [a.component for a in view.assignments] or [""]
    rows = []
    for name in names:
        part = next((p for p in view.components if p.component == name), None)
        rows.append(
            DeviceRow(
                id=device.id,
                hw=device.hw,
                online=device.online,
                tags=view.tags,
                runs=(part.release_id or (part.digest or "nothing")[:12]) if part else "nothing",
                wanted=view.wanted.get(name, ""),
                state=_state(view, name, part),
                why=why_of(session, view, name, now, None).sentence,
                last_seen=ago(device.last_seen_at, now),
            )
        )
    return rows


def _state(view: DeviceView, name: str, part: DeviceComponent | None) -> str:
    row = next((a for a in view.assignments if a.component == name), None)
    if row is not None and row.open:
        return row.state
    return (row.outcome if row else None) or (part.state if part else "idle")


def _outcome(row: Assignment, now: datetime) -> OutcomeRow:
    return OutcomeRow(
        device=row.device_id,
        release=row.release_id,
        outcome=row.outcome or "",
        reason=row.reason or "",
        message=row.message,
        ago=ago(row.ended_at, now),
    )
