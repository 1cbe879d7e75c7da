"""Every query about devices and their assignments; callers pass the session and so own the transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import String, cast, func
from sqlmodel import Session, col, select, update

from surefoot_server import db
from surefoot_server.devices.models import (
    Assignment,
    Device,
    DeviceComponent,
    DeviceEvent,
    DeviceStream,
    DeviceTag,
    RevokedCertificate,
)
from surefoot_server.releases.models import Release
from surefoot_shared.errors import NotFound
from surefoot_shared.identity import DevicePublicKey, public_from_pem
from surefoot_shared.status import Outcome

IDS_AT_ONCE = 1000
"""In one statement: SQLite takes 32,766, and a plan for so many gains nothing."""
RELEASES = "surefoot_releases"
UNKNOWN_LIFE = timedelta(days=90)
"""Certificates of before their end was noted lived so long."""


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device with what belongs to it, read together."""

    device: Device
    tags: tuple[str, ...] = ()
    components: tuple[DeviceComponent, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    """The newest of each component, open or ended."""
    wanted: Mapping[str, str] = field(default_factory=dict)
    """component → release id of the wish in force."""


def device(session: Session, device_id: str) -> Device:
    found = session.get(Device, device_id)
    if found is None:
        raise NotFound("not_found", f"There is no device {device_id!r}.")
    return found


def keys_of(device: Device) -> tuple[DevicePublicKey, ...]:
    """The keys that speak for a device: its own, and during a renewal the next; raises Invalid or ValueError."""
    return tuple(public_from_pem(pem.encode()) for pem in (device.public_key, device.next_public_key) if pem)


def revoke_certificates(session: Session, device: Device, reason: str, now: datetime, *, both: bool) -> None:
    """Put a device's certificate, or also the one that a renewal gave, on the revocation list."""
    held = [(device.certificate_serial, device.certificate_expires_at)]
    if both:
        held.append((device.next_certificate_serial, device.next_certificate_expires_at))
    for serial, expires_at in held:
        if serial and session.get(RevokedCertificate, serial) is None:
            ends = expires_at or now + UNKNOWN_LIFE
            session.add(
                RevokedCertificate(serial=serial, device_id=device.id, reason=reason, revoked_at=now, expires_at=ends)
            )


def revoked_certificates(session: Session, now: datetime) -> list[RevokedCertificate]:
    """Those that would still be valid by their dates."""
    query = select(RevokedCertificate).where(RevokedCertificate.expires_at > now)
    return list(session.exec(query.order_by(col(RevokedCertificate.revoked_at))))


def search(session: Session, text: str, limit: int, after: str = "") -> list[Device]:
    """Devices in the order of their ids whose id, hardware, tag, own attribute or running release holds the text."""
    query = select(Device).where(Device.id > after)
    if text:
        query = query.where(
            col(Device.id).icontains(text, autoescape=True)
            | col(Device.hw).icontains(text, autoescape=True)
            | cast(Device.attributes, String).icontains(text, autoescape=True)
            | col(Device.id).in_(select(DeviceTag.device_id).where(col(DeviceTag.tag).icontains(text, autoescape=True)))
            | col(Device.id).in_(
                select(DeviceComponent.device_id).where(
                    col(DeviceComponent.release_id).icontains(text, autoescape=True)
                )
            )
        )
    return list(session.exec(query.order_by(Device.id).limit(limit)))


def revoked_ids(session: Session) -> set[str]:
    return set(session.exec(select(Device.id).where(col(Device.revoked_at).is_not(None))))


def assignment(session: Session, assignment_id: str) -> Assignment:
    found = session.get(Assignment, assignment_id)
    if found is None:
        raise NotFound("not_found", f"There is no assignment {assignment_id!r}.")
    return found


def assignments(session: Session, ids: Sequence[str]) -> dict[str, Assignment]:
    """Those that are there, by id."""
    found: dict[str, Assignment] = {}
    for begin in range(0, len(ids), IDS_AT_ONCE):
        some = ids[begin : begin + IDS_AT_ONCE]
        found |= {row.id: row for row in session.exec(select(Assignment).where(col(Assignment.id).in_(some)))}
    return found


def release(session: Session, release_id: str) -> Release:
    found = session.get(Release, release_id)
    if found is None:
        raise NotFound("not_found", f"There is no release {release_id!r}.", "`surefoot release list` shows all.")
    return found


def release_by_digest(session: Session, digest: str | None) -> str | None:
    """Devices run few releases: each is looked up once in a transaction."""
    if digest is None:
        return None
    found: dict[str, str] = session.info.setdefault(RELEASES, {})
    if digest not in found:
        name = session.exec(select(Release.id).where(Release.digest == digest).limit(1)).first()
        if name is None:
            return None
        found[digest] = name
    return found[digest]


def component(session: Session, device_id: str, name: str) -> DeviceComponent | None:
    return session.get(DeviceComponent, (device_id, name))


def components(session: Session, device_id: str) -> list[DeviceComponent]:
    query = select(DeviceComponent).where(DeviceComponent.device_id == device_id).order_by(DeviceComponent.component)
    return list(session.exec(query))


def stream(session: Session, device_id: str, name: str) -> DeviceStream:
    """Return the stream's row, made where it is new; the caller is in a write transaction."""
    found = session.get(DeviceStream, (device_id, name))
    if found is None:
        found = DeviceStream(device_id=device_id, stream=name)
        session.add(found)
        session.flush()
    return found


Orders = Sequence[Assignment]
"""What is wanted of a device, from whoever has read it already."""


def wanted(session: Session, device_id: str) -> list[Assignment]:
    """The assignments that belong into the device's bundle, one for each component."""
    query = (
        select(Assignment)
        .where(Assignment.device_id == device_id, col(Assignment.wanted).is_(True))
        .order_by(Assignment.component, col(Assignment.seq).desc())
    )
    newest: dict[str, Assignment] = {}
    for row in session.exec(query):
        newest.setdefault(row.component, row)
    return list(newest.values())


def at_work(session: Session, states: Collection[str], site: str = "") -> int:
    """How many devices have an open assignment in one of these states; only those of a site where one is named."""
    query = select(func.count(col(Assignment.device_id).distinct())).where(
        col(Assignment.open).is_(True), col(Assignment.state).in_([str(getattr(s, "value", s)) for s in states])
    )
    if site:
        query = query.join(Device, col(Device.id) == Assignment.device_id).where(
            col(Device.attributes)["site"].as_string() == site
        )
    return int(session.exec(query).one())


def held(session: Session, device_id: str, component_name: str) -> tuple[str, ...]:
    """Digests of the releases that the component's slots hold, the running one first."""
    row = component(session, device_id, component_name)
    if row is None:
        return ()
    slots = [slot.get("digest") for slot in row.slots.values() if isinstance(slot, dict)]
    return tuple(dict.fromkeys(digest for digest in (row.digest, *slots) if digest))


def expect_more(session: Session, device_ids: Collection[str]) -> None:
    """Events of these were left out, so a hole in their numbers is not there for good, a hello before or not."""
    if device_ids:
        theirs = col(DeviceStream.device_id).in_(device_ids), col(DeviceStream.resync).is_(True)
        session.exec(update(DeviceStream).where(*theirs).values(resync=False))


def in_force(session: Session, device_id: str, component_name: str) -> list[Assignment]:
    """Open or still wanted assignments of one component: what a new one takes the place of."""
    query = select(Assignment).where(
        Assignment.device_id == device_id,
        Assignment.component == component_name,
        col(Assignment.open).is_(True) | col(Assignment.wanted).is_(True),
    )
    return list(session.exec(query))


def newest(session: Session, device_id: str, component_name: str) -> Assignment | None:
    """What was wanted last of the component."""
    mine = (col(Assignment.device_id) == device_id, col(Assignment.component) == component_name)
    found: Assignment | None = session.exec(
        select(Assignment).where(*mine).order_by(col(Assignment.seq).desc()).limit(1)
    ).first()
    return found


def last_committed(session: Session, device_id: str, component_name: str) -> Assignment | None:
    """Return the newest assignment that the device committed."""
    mine = (col(Assignment.device_id) == device_id, col(Assignment.component) == component_name)
    committed = select(Assignment).where(*mine, col(Assignment.outcome) == Outcome.COMMITTED.value)
    found: Assignment | None = session.exec(committed.order_by(col(Assignment.seq).desc()).limit(1)).first()
    return found


def before(session: Session, part: DeviceComponent | None) -> str | None:
    """The release that a way back leads to: what the component runs, or what it gave up last where it runs nothing."""
    if part is None or part.digest is not None:
        return part.release_id if part else None
    mine = (col(Assignment.device_id) == part.device_id, col(Assignment.component) == part.component)
    vacated = select(Assignment).where(*mine, col(Assignment.vacated_at).is_not(None))
    found: Assignment | None = session.exec(vacated.order_by(col(Assignment.seq).desc()).limit(1)).first()
    return found.previous_release_id if found else None


def history(session: Session, device_id: str, limit: int = 50) -> list[Assignment]:
    query = select(Assignment).where(Assignment.device_id == device_id).order_by(col(Assignment.seq).desc())
    return list(session.exec(query.limit(limit)))


def recent_outcomes(session: Session, limit: int) -> list[Assignment]:
    query = select(Assignment).where(col(Assignment.outcome).is_not(None))
    return list(session.exec(query.order_by(col(Assignment.ended_at).desc()).limit(limit)))


def events(session: Session, device_id: str, limit: int = 100) -> list[DeviceEvent]:
    query = select(DeviceEvent).where(DeviceEvent.device_id == device_id).order_by(col(DeviceEvent.id).desc())
    return list(session.exec(query.limit(limit)))


def last_nonce(session: Session, device: Device) -> str:
    """The nonce of the device's newest hello, empty before its first."""
    row = session.get(DeviceStream, (device.id, device.stream))
    return str(row.hellos[-1][1]) if row is not None and row.hellos else ""


def stored_seqs(session: Session, device_id: str, stream_name: str, seqs: Iterable[int]) -> set[int]:
    query = select(DeviceEvent.seq).where(
        DeviceEvent.device_id == device_id, DeviceEvent.stream == stream_name, col(DeviceEvent.seq).in_(list(seqs))
    )
    return set(session.exec(query))


def highest_seq(session: Session, device_id: str, stream_name: str) -> int:
    query = select(func.max(DeviceEvent.seq)).where(
        DeviceEvent.device_id == device_id, DeviceEvent.stream == stream_name
    )
    return session.exec(query).one() or 0


def touch(session: Session, device_ids: Collection[str], at: datetime) -> None:
    """Set last_seen_at of many devices in one statement."""
    if device_ids:
        # In order: two writers that meet in the middle would wait for each other.
        mine = select(Device.id).where(db.names_in(col(Device.id), device_ids)).order_by(col(Device.id))
        locked = mine.with_for_update(key_share=True)
        session.connection().execute(update(Device).where(col(Device.id).in_(locked)).values(last_seen_at=at))


def views(session: Session, devices: Sequence[Device]) -> list[DeviceView]:
    """Read what belongs to many devices in four queries."""
    ids = [d.id for d in devices]
    tags: dict[str, list[str]] = {}
    for tag in session.exec(select(DeviceTag).where(col(DeviceTag.device_id).in_(ids)).order_by(DeviceTag.tag)):
        tags.setdefault(tag.device_id, []).append(tag.tag)
    parts: dict[str, list[DeviceComponent]] = {}
    of_parts = select(DeviceComponent).where(col(DeviceComponent.device_id).in_(ids))
    for part in session.exec(of_parts.order_by(DeviceComponent.component)):
        parts.setdefault(part.device_id, []).append(part)
    newest = _newest_assignments(session, ids)
    return [
        DeviceView(
            device=d,
            tags=tuple(tags.get(d.id, ())),
            components=tuple(parts.get(d.id, ())),
            assignments=tuple(newest.get(d.id, {}).values()),
            wanted={c: a.release_id for c, a in newest.get(d.id, {}).items() if a.wanted},
        )
        for d in devices
    ]


def _newest_assignments(session: Session, ids: Sequence[str]) -> dict[str, dict[str, Assignment]]:
    top = (
        select(Assignment.device_id, Assignment.component, func.max(Assignment.seq).label("seq"))
        .where(col(Assignment.device_id).in_(ids))
        .group_by(Assignment.device_id, Assignment.component)
        .subquery()
    )
    query = select(Assignment).join(
        top,
        (col(Assignment.device_id) == top.c.device_id)
        & (col(Assignment.component) == top.c.component)
        & (col(Assignment.seq) == top.c.seq),
    )
    newest: dict[str, dict[str, Assignment]] = {}
    for row in session.exec(query.order_by(Assignment.component)):
        newest.setdefault(row.device_id, {})[row.component] = row
    return newest
