"""What needs a person, grouped by its reason, with where to go: from the database and from what the server warns of.

Promises: the same facts as API and command line, counted by the database, so that it costs the same for any fleet; what
is known of a release, and what was advised against it, counts while devices run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.console.ladder import BAD
from surefoot_server.devices import repository as devices
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.devices.why import SILENT_AFTER
from surefoot_server.feedback.models import Advisory
from surefoot_server.findings.service import Concern as Known
from surefoot_server.languages.catalogue import Language
from surefoot_server.languages.sentences import code_said, told
from surefoot_server.rollouts import stages
from surefoot_server.rollouts.models import Rollout
from surefoot_shared.status import RolloutState

WAITING_STATES = (RolloutState.HELD, RolloutState.AWAITING_APPROVAL, RolloutState.PAUSED, RolloutState.HALTED)
"""A rollout in one of these goes on only when a person acts."""
RECENT = timedelta(days=1)
FAILED_RECENTLY = timedelta(days=3)
"""A rollout that failed on a Friday evening is still seen on Monday."""
STUCK_AFTER = timedelta(minutes=30)
"""Connected, at work, and nothing reported for so long: longer than probation and soak of most releases."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that needs a person. `device` is set where one device can be acknowledged."""

    word: str
    text: str
    path: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """What the server knows without this page: of itself, and of the releases that devices run."""

    texts: Sequence[str] = ()
    known: Sequence[Known] = ()


def of(session: Session, say: Language, warned: Warned, now: datetime) -> list[Concern]:
    return [
        *(Concern("held", told(say, text)) for text in warned.texts),
        *_alarms(session, say),
        *_advised_against(session, say),
        *(_known(say, one) for one in warned.known),
        *_waiting(session, say, now),
        *_bad_ends(session, say, now),
        *_stuck(session, say, now),
        *_silent(session, say, now),
    ]


def _alarms(session: Session, say: Language) -> list[Concern]:
    """Devices that ask for a person, by kind; one alone is named and can be acknowledged here."""
    query = (
        select(Device.attention, sa.func.count(), sa.func.min(Device.id))
        .where(col(Device.attention).is_not(None))
        .group_by(col(Device.attention))
        .order_by(sa.func.count().desc())
    )
    found = []
    for kind, count, first in session.exec(query):
        if count > 1:
            many = say.ngettext("%(num)s device asks for a person", "%(num)s devices ask for a person", count)
            found.append(Concern(str(kind), many, devices_path(standing="attention")))
        else:
            device = devices.device(session, first)
            found.append(
                Concern(str(kind), f"{first}: {told(say, device.attention_message or '')}", device_path(first), first)
            )
    return found


def _waiting(session: Session, say: Language, now: datetime) -> list[Concern]:
    """Rollouts that go on by a person's word alone, and those that failed in the last days, the newest first."""
    newest = select(Rollout).order_by(col(Rollout.number).desc())
    reverting = session.exec(newest.where(Rollout.state == RolloutState.REVERTING.value))
    held = [row for row in reverting if stages.read(row).held]
    waiting = newest.where(col(Rollout.state).in_([state.value for state in WAITING_STATES])).limit(5)
    failed = newest.where(
        Rollout.state == RolloutState.FAILED.value, col(Rollout.ended_at) >= now - FAILED_RECENTLY
    ).limit(5)
    return [
        *(_about(say, row, "held") for row in held[:5]),
        *(_about(say, row, row.state) for row in session.exec(waiting)),
        *(_about(say, row, row.state) for row in session.exec(failed)),
    ]


def _about(say: Language, row: Rollout, word: str) -> Concern:
    return Concern(word, f"{row.release_id} → {row.cohort}: {told(say, row.reason)}", f"/rollouts/{row.id}")


def _bad_ends(session: Session, say: Language, now: datetime) -> list[Concern]:
    """Attempts of the last day that did not keep the release, by outcome, reason and release."""
    query = (
        select(Assignment.outcome, Assignment.reason, Assignment.release_id, sa.func.count())
        .where(
            col(Assignment.open).is_(False),
            col(Assignment.outcome).in_(sorted(BAD)),
            col(Assignment.ended_at) >= now - RECENT,
        )
        .group_by(col(Assignment.outcome), col(Assignment.reason), col(Assignment.release_id))
        .order_by(sa.func.count().desc())
        .limit(5)
    )
    found = []
    for outcome, reason, release, count in session.exec(query):
        said = say.ngettext(
            "%(num)s device since yesterday, %(release)s: %(reason)s",
            "%(num)s devices since yesterday, %(release)s: %(reason)s",
            count,
            release=release,
            reason=code_said(say, reason) or say.gettext("no reason given"),
        )
        found.append(Concern(str(outcome), said, release_path(release)))
    return found


def _advised_against(session: Session, say: Language) -> list[Concern]:
    """Releases that devices run although a person advised against them."""
    query = (
        select(Advisory.release_id, Advisory.do, sa.func.max(Advisory.reason), sa.func.count())
        .join(DeviceComponent, col(DeviceComponent.release_id) == col(Advisory.release_id))
        .where(col(Advisory.withdrawn_at).is_(None))
        .group_by(col(Advisory.id), col(Advisory.release_id), col(Advisory.do))
        .order_by(sa.func.count().desc())
        .limit(5)
    )
    return [
        Concern("hold" if do == "hold" else "halted", _runs(say, count, release, reason), release_path(release))
        for release, do, reason, count in session.exec(query)
    ]


def _known(say: Language, known: Known) -> Concern:
    """A release that devices run although a vulnerability of its parts is known."""
    worst, count = known.findings[0], len(known.findings)
    named = f"{worst.id} ({worst.package} {worst.version})"
    what = say.ngettext("%(id)s is known", "%(id)s and others are known, %(num)s together", count, id=named)
    return Concern(worst.severity.value, _runs(say, known.devices, known.release, what), release_path(known.release))


def _runs(say: Language, devices: int, release: str, what: str) -> str:
    return say.ngettext(
        "%(num)s device runs %(release)s: %(what)s",
        "%(num)s devices run %(release)s: %(what)s",
        devices,
        release=release,
        what=what,
    )


def _stuck(session: Session, say: Language, now: datetime) -> list[Concern]:
    query = (
        select(sa.func.count())
        .select_from(Assignment)
        .join(Device, col(Device.id) == col(Assignment.device_id))
        .where(
            col(Assignment.open).is_(True),
            col(Assignment.activate).is_(True),
            col(Assignment.windows).is_(None),
            col(Assignment.state_at) < now - STUCK_AFTER,
            col(Device.online).is_(True),
        )
    )
    count = session.exec(query).one()
    said = say.ngettext(
        "%(num)s device is online and has got no further for 30 minutes",
        "%(num)s devices are online and have got no further for 30 minutes",
        count,
    )
    return [Concern("hold", said, devices_path(standing="updating"))] if count else []


def _silent(session: Session, say: Language, now: datetime) -> list[Concern]:
    silent = sa.and_(col(Device.revoked_at).is_(None), col(Device.last_seen_at) < now - max(RECENT, SILENT_AFTER))
    count = session.exec(select(sa.func.count()).select_from(Device).where(silent)).one()
    said = say.ngettext(
        "%(num)s device was silent for more than a day", "%(num)s devices were silent for more than a day", count
    )
    return [Concern("offline", said, devices_path(standing="offline"))] if count else []


def devices_path(**query: str) -> str:
    return "/devices?" + urlencode(query)


def device_path(device_id: str) -> str:
    return f"/devices/{device_id}"


def release_path(release_id: str) -> str:
    return f"/releases/{release_id}"
