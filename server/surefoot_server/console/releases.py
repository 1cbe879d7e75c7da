"""What the pages of releases show: how well signed, in which channels, on which devices, and what stands against them.

Promises: what the keys say is read from their metadata at each look, what devices run from their reports. Whether a
channel's requirements hold is asked of the whole fleet, whoever looks: the promotion asks the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlmodel import Session, col, select

from surefoot_server.channels import repository as channels
from surefoot_server.channels import service as promotion
from surefoot_server.channels.models import Channel, ChannelEntry
from surefoot_server.channels.requirements import Answer
from surefoot_server.cohorts import service as cohorts
from surefoot_server.console import bill
from surefoot_server.console.bill import Bill
from surefoot_server.feedback import repository as feedback
from surefoot_server.feedback.models import Advisory, Flag
from surefoot_server.findings.builders import Judge, trusting_nobody
from surefoot_server.keys.published import Listed, Signatures
from surefoot_server.packs import service as packs
from surefoot_server.packs.service import Shown as Pack
from surefoot_server.releases import repository
from surefoot_server.releases.models import Release
from surefoot_server.releases.repository import Where
from surefoot_server.rollouts.models import Rollout
from surefoot_shared.release import role_name


class Trust(Protocol):
    """What the keys say; the online repository is one."""

    def signatures(self) -> tuple[Signatures, ...]: ...
    def listed(self, component: str) -> Listed | None: ...
    def halted(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One release in the list. `standing`: listed, withdrawn, revoked, outdated, or halted: nobody may install it."""

    release: Release
    standing: str
    running: int
    share: float
    """Of all devices that run this component."""
    channels: tuple[str, ...]
    against: int
    """Flags and advisories that stand."""


@dataclass(frozen=True, slots=True)
class Step:
    """A channel and the release: since when it is in, or what it lacks. `devices` belong to the channel's cohort."""

    channel: Channel
    entry: ChannelEntry | None
    answers: tuple[Answer, ...]
    devices: int

    @property
    def ready(self) -> bool:
        return self.entry is None and all(answer.met for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Asked:
    """A person's look at a release; `judge` knows the keys of builders."""

    release_id: str
    who: str
    now: datetime
    judge: Judge = trusting_nobody


@dataclass(frozen=True, slots=True)
class Page:
    release: Release
    standing: str
    signed: Signatures | None
    where: Where
    steps: tuple[Step, ...]
    rollouts: tuple[Rollout, ...]
    packs: tuple[Pack, ...]
    flags: tuple[Flag, ...]
    advisories: tuple[Advisory, ...]
    bill: Bill


def lines(session: Session, trust: Trust, component: str) -> list[Line]:
    """The newest first, component by component."""
    running, holding = repository.running(session), _holding(session)
    rows, halted = repository.newest_first(session, component), frozenset(trust.halted())
    said = {name: trust.listed(name) for name in {row.component for row in rows}}
    against = _against(session)
    totals: dict[str, int] = {}
    for row in rows:
        totals[row.component] = totals.get(row.component, 0) + running.get(row.id, 0)
    return [
        Line(
            release=row,
            standing=standing(row, said[row.component], halted),
            running=running.get(row.id, 0),
            share=running.get(row.id, 0) / max(1, totals[row.component]),
            channels=tuple(holding.get(row.id, ())),
            against=against.get(row.id, 0),
        )
        for row in rows
    ]


def read(session: Session, whole: Session, trust: Trust, asked: Asked) -> Page:
    """What `session` may see of it; `whole` sees everything. Raises NotFound."""
    row = repository.get(session, asked.release_id)
    role = role_name(row.component)
    rollouts = select(Rollout).where(Rollout.release_id == row.id).order_by(col(Rollout.number).desc()).limit(20)
    return Page(
        release=row,
        standing=standing(row, trust.listed(row.component), frozenset(trust.halted())),
        signed=next((signed for signed in trust.signatures() if signed.role == role), None),
        where=repository.where(session, row),
        steps=tuple(_step(whole, channel, row, asked) for channel in channels.channels(session)),
        rollouts=tuple(session.exec(rollouts)),
        packs=tuple(packs.shown(session, row.component, row.digest)),
        flags=tuple(feedback.about(session, release_id=row.id)),
        advisories=tuple(feedback.advisories(session, row.id)),
        bill=bill.read(session, row.id, asked.now, asked.judge),
    )


def standing(row: Release, said: Listed | None, halted: frozenset[str]) -> str:
    if row.digest in halted:
        return "halted"
    return said.standing(row.component, row.version, row.digest, row.svn) if said else "withdrawn"


def _step(whole: Session, channel: Channel, row: Release, asked: Asked) -> Step:
    entry = channels.entry(whole, channel.name, row.id)
    wanted = (whole, channel.name, row.id, asked.who, asked.now, asked.judge)
    answers = () if entry else tuple(promotion.readiness(*wanted))
    devices = cohorts.devices(whole, cohorts.resolve(whole, channel.cohort).expression)
    return Step(channel, entry, answers, len(devices))


def _holding(session: Session) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for channel in channels.channels(session):
        for entry in channels.entries(session, channel.name):
            found.setdefault(entry.release_id, []).append(channel.name)
    return found


def _against(session: Session) -> Mapping[str, int]:
    found: dict[str, int] = {}
    named = [row.release_id for row in feedback.flags(session)] + [
        row.release_id for row in feedback.advisories(session)
    ]
    for release in filter(None, named):
        found[release] = found.get(release, 0) + 1
    return found
