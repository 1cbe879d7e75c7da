"""What may be done with devices: register them, hear them, want something of them, and tell them so.

Promises: every method works in the caller's transaction and is idempotent, so duplicates, late and reordered messages
are harmless; the device's own word about an attempt wins over the server's guess; `committed` counts only with its
proof. Refuses to publish anything itself: changed devices are marked dirty and announced after the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlmodel import Session, col, delete

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.devices import attention, reports, repository, sets
from surefoot_server.devices.lending import Lending, to_fetch
from surefoot_server.devices.models import Assignment, Device, DeviceRequest, DeviceTag
from surefoot_server.devices.reports import HelloVerdict
from surefoot_server.devices.repository import Orders
from surefoot_server.devices.terms import ANY_TIME, Terms, download_left_s, texts
from surefoot_server.releases.models import Release
from surefoot_shared import wire
from surefoot_shared.errors import Conflict
from surefoot_shared.messages import (
    Ack,
    AssignmentNote,
    Checkpoint,
    Event,
    Hello,
    JointSet,
    Lease,
    MetadataVersions,
    PresenceMessage,
    Request,
    RequestKind,
    Response,
    ShadowTerms,
)
from surefoot_shared.status import AttemptState, Intent, Outcome, Presence
from surefoot_shared.topics import check_device_id
from surefoot_shared.trust.director import SignedWish

RESPONSE_LIMIT = 256 * 1024
"""Characters kept of one diagnostic answer; the wire's own limit, so nothing honest is cut."""

Witness = Callable[[Session, str, Checkpoint | None, datetime], None]


def _new_id() -> str:
    return uuid.uuid4().hex


class Director(Protocol):
    """The part of the online repository that signs wishes and the halt list."""

    def next_seq(self) -> int: ...

    def halted(self) -> Sequence[str]: ...

    def bundle(
        self,
        device_id: str,
        wishes: Sequence[SignedWish],
        have_image: MetadataVersions,
        have_director: MetadataVersions,
        now: datetime,
        nonce: str = "",
    ) -> bytes: ...


class DeviceService:
    """The one place where assignments are made and ended."""

    def __init__(
        self,
        director: Director,
        lending: Lending,
        new_id: Callable[[], str] = _new_id,
        witness: Witness = lambda *_: None,
    ) -> None:
        """`new_id` names assignments, sets and requests; no two calls return the same. `witness` hears what devices say
        back of the audit trail."""
        self._director, self._lending, self._new_id, self._witness = director, lending, new_id, witness

    def register(
        self,
        session: Session,
        device_id: str,
        hw: str,
        public_key: str,
        now: datetime,
        *,
        certificate_serial: str = "",
        certificate_expires_at: datetime | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Iterable[str] | None = None,
        actor: str = "server",
    ) -> Device:
        """Make the device known, or give a known one its new key: what its old key signs is refused from then on."""
        check_device_id(device_id)
        device = session.get(Device, device_id) or Device(id=device_id, hw=hw, public_key="", enrolled_at=now)
        action = "device.re-enrol" if device.public_key else "device.enrol"
        repository.revoke_certificates(session, device, "replaced", now, both=True)
        device.hw, device.public_key, device.certificate_serial = hw, public_key, certificate_serial
        device.certificate_expires_at = certificate_expires_at
        _clear_next(device)
        device.enrolled_at, device.revoked_at = now, None
        device.instance = device.previous_instance = ""
        attention.clear(device)
        if attributes is not None:
            device.attributes = dict(attributes)
        session.add(device)
        session.flush()
        if tags is not None:
            self.set_tags(session, device_id, tags, actor, now)
        db.mark_dirty(session, device_id)
        audit.record(session, actor, action, f"device:{device_id}", {"hw": hw, "serial": certificate_serial}, now)
        return device

    def offer_key(
        self, session: Session, device: Device, public_key: str, serial: str, expires_at: datetime, now: datetime
    ) -> None:
        """Let a renewed key speak for the device beside its own, until a hello is signed with it."""
        device.next_public_key, device.next_certificate_serial = public_key, serial
        device.next_certificate_expires_at = expires_at
        session.add(device)
        db.mark_dirty(session, device.id)
        audit.record(
            session, f"device:{device.id}", "device.certificate", f"device:{device.id}", {"serial": serial}, now
        )

    def take_key(self, session: Session, device_id: str, public_key: str, now: datetime) -> None:
        """Let the renewed key take the place of the old one, whose certificate ends with that."""
        device = repository.device(session, device_id)
        if not device.next_public_key or device.next_public_key != public_key:
            return
        repository.revoke_certificates(session, device, "superseded", now, both=False)
        device.public_key, device.certificate_serial = device.next_public_key, device.next_certificate_serial
        device.certificate_expires_at = device.next_certificate_expires_at
        _clear_next(device)
        session.add(device)
        db.mark_dirty(session, device_id)
        detail = {"serial": device.certificate_serial}
        audit.record(session, f"device:{device_id}", "device.renewed", f"device:{device_id}", detail, now)

    def set_tags(self, session: Session, device_id: str, tags: Iterable[str], actor: str, now: datetime) -> None:
        repository.device(session, device_id)
        chosen = sorted(set(tags))
        session.exec(delete(DeviceTag).where(col(DeviceTag.device_id) == device_id))
        session.add_all(DeviceTag(device_id=device_id, tag=tag) for tag in chosen)
        audit.record(session, actor, "device.tags", f"device:{device_id}", {"tags": chosen}, now)

    def revoke(self, session: Session, device_id: str, actor: str, now: datetime) -> Device:
        """Believe nothing that the device's key signs from now on, and want nothing of it."""
        device = repository.device(session, device_id)
        if device.revoked_at is None:
            device.revoked_at = now
            repository.revoke_certificates(session, device, "revoked", now, both=True)
            for row in repository.wanted(session, device_id):
                self.withdraw(session, row.id, Outcome.CANCELLED, "cancelled_by_order", now)
            audit.record(session, actor, "device.revoke", f"device:{device_id}", {}, now)
            db.mark_dirty(session, device_id)
        return device

    def is_revoked(self, session: Session, device_id: str) -> bool:
        return repository.device(session, device_id).revoked_at is not None

    def acknowledge(self, session: Session, device_id: str, actor: str, now: datetime) -> Device:
        """A person has looked at what the device needs attention for."""
        device = repository.device(session, device_id)
        if device.attention is not None:
            audit.record(session, actor, "device.acknowledge", f"device:{device_id}", {"kind": device.attention}, now)
        attention.clear(device)
        return device

    def hello(self, session: Session, hello: Hello, now: datetime) -> HelloVerdict:
        """Store a genuine hello; its answer is a bundle, so the device is marked dirty. A replay changes nothing."""
        device = repository.device(session, hello.device)
        verdict = reports.take_hello(session, device, hello, now)
        self._witness(session, device.id, hello.audit, now)
        if verdict is not HelloVerdict.REPLAYED:
            db.mark_dirty(session, device.id)
        if verdict is HelloVerdict.ACCEPTED:
            reports.ask_anew(session, hello, self._director.next_seq)
        return verdict

    def ack_for(self, session: Session, device_id: str, stream: str) -> Ack:
        """What of the stream is stored for good."""
        row = repository.stream(session, device_id, stream)
        return Ack(stream=stream, event=row.event_seq, batch=row.batch)

    def presence(self, session: Session, device_id: str, message: PresenceMessage) -> None:
        """Note online or offline. An old instance's will arrives after the new one said hello: it says nothing.

        It does not count as being heard: it is retained, so the broker repeats it whenever the server connects.
        """
        device = repository.device(session, device_id)
        if message.state is Presence.OFFLINE and device.instance not in ("", message.instance):
            return
        device.online = message.state is Presence.ONLINE

    def record_events(self, session: Session, device_id: str, events: Sequence[Event], now: datetime) -> int:
        """Store and apply events of one stream; return the number up to which the device may forget."""
        device = repository.device(session, device_id)
        device.last_seen_at = now
        return reports.take_events(session, device, events, now)

    def response(self, session: Session, device_id: str, response: Response, now: datetime) -> None:
        """Keep the answer to a request that was made; an answer that nobody asked for is dropped."""
        row = session.get(DeviceRequest, response.id)
        if row is None or row.device_id != device_id or row.answered_at is not None:
            return
        row.ok, row.text, row.answered_at = response.ok, response.text[:RESPONSE_LIMIT], now

    def request(
        self, session: Session, device_id: str, kind: RequestKind, lines: int, actor: str, now: datetime
    ) -> Request:
        """Note a request for logs or diagnostics; the caller publishes it after the commit."""
        if self.is_revoked(session, device_id):
            raise Conflict("conflict", f"{device_id} is revoked; nothing is said to it.")
        request = Request(id=self._new_id(), kind=kind, lines=lines)
        session.add(
            DeviceRequest(id=request.id, device_id=device_id, kind=kind.value, requested_at=now, requested_by=actor)
        )
        audit.record(session, actor, "device.request", f"device:{device_id}", {"kind": kind.value}, now)
        return request

    def assign(
        self,
        session: Session,
        device_id: str,
        component: str,
        release_id: str,
        intent: Intent,
        rollout_id: str | None,
        phase: int | None,
        now: datetime,
        terms: Terms = ANY_TIME,
    ) -> Assignment:
        """Want the release on the device's component; takes the place of whatever was wanted before."""
        device, release = repository.device(session, device_id), repository.release(session, release_id)
        _check_fits(device, component, release)
        for old in repository.in_force(session, device_id, component):
            self.withdraw(session, old.id, Outcome.SUPERSEDED, "superseded", now)
        running = repository.component(session, device_id, component)
        row = Assignment(
            id=self._new_id(),
            device_id=device_id,
            component=component,
            release_id=release_id,
            digest=release.digest,
            seq=self._director.next_seq(),
            intent=Intent(intent).value,
            rollout_id=rollout_id,
            phase=phase,
            state=AttemptState.OFFERED.value,
            previous_release_id=repository.before(session, running),
            activate=terms.activate,
            windows=texts(terms.windows),
            download_windows=texts(terms.download_windows),
            pool_bytes_per_s=terms.pool_bytes_per_s,
            recreate=terms.recreate,
            shadow=wire.to_json(terms.shadow) if terms.shadow else None,
            offered_at=now,
            state_at=now,
        )
        session.add(row)
        session.flush()
        db.mark_dirty(session, device_id)
        return row

    def renew(self, session: Session, assignment_id: str, terms: Terms) -> Assignment:
        """Give an open assignment other terms: the order to switch, or later windows. The device keeps its attempt."""
        row = repository.assignment(session, assignment_id)
        for each in (row, *sets.others(session, row)) if row.open else ():
            each.seq = self._director.next_seq()
            each.activate, each.windows = terms.activate, texts(terms.windows)
            each.download_windows, each.pool_bytes_per_s = texts(terms.download_windows), terms.pool_bytes_per_s
            session.add(each)
            db.mark_dirty(session, each.device_id)
        return row

    def assign_set(
        self,
        session: Session,
        device_id: str,
        release_ids: Sequence[str],
        intent: Intent,
        now: datetime,
        rollout: tuple[str, int | None] | None = None,
        terms: Terms = ANY_TIME,
    ) -> list[Assignment]:
        """Want these releases as one or not at all, started in this order; one alone is an assignment like any other.

        `rollout` and phase: whose the first is, which speaks for all. Without, it refuses what a rollout would.
        """
        releases = [repository.release(session, release_id) for release_id in release_ids]
        sets.check_components(releases)
        device = repository.device(session, device_id)
        for release in releases:
            _check_fits(device, release.component, release)
        rows: list[Assignment] = []
        for release in releases:
            if rollout is None:
                sets.check_not_barred(session, device_id, release, self._director.halted())
            whose, phase = (rollout or (None, None)) if not rows else (None, None)
            rows.append(
                self.assign(session, device_id, release.component, release.id, intent, whose, phase, now, terms)
            )
        sets.join(session, rows, self._new_id())
        return rows

    def withdraw(
        self, session: Session, assignment_id: str, outcome: Outcome, reason: str | None, now: datetime
    ) -> Assignment:
        """End an assignment by the server's word, with its set. A lost device keeps its wish, any other loses it."""
        row = repository.assignment(session, assignment_id)
        self._withdraw_one(session, row, outcome, reason, now)
        for other in sets.others(session, row) if outcome is not Outcome.LOST else ():
            if other.open:
                why = outcome if outcome is Outcome.SUPERSEDED else Outcome.CANCELLED
                self._withdraw_one(session, other, why, sets.SET_BROKEN, now)
        return row

    def _withdraw_one(
        self, session: Session, row: Assignment, outcome: Outcome, reason: str | None, now: datetime
    ) -> None:
        if row.open:
            row.open, row.outcome, row.outcome_by = False, Outcome(outcome).value, "server"
            row.reason, row.ended_at = reason, now
        keep = outcome is Outcome.LOST and row.wanted
        if row.wanted and not keep:
            row.wanted = False
            db.mark_dirty(session, row.device_id)
        session.add(row)
        session.flush()

    def bundle_for(
        self,
        session: Session,
        device_id: str,
        now: datetime,
        have_image: MetadataVersions | None = None,
        have_director: MetadataVersions | None = None,
        wanted: Orders | None = None,
    ) -> bytes:
        """Sign what is wanted of the device, with the metadata that it does not have; by default as it last said."""
        device = repository.device(session, device_id)
        rows = repository.wanted(session, device_id) if wanted is None else wanted
        wishes = [_signed_wish(row, repository.release(session, row.release_id)) for row in rows]
        have_image = have_image or wire.from_json(MetadataVersions, device.image_versions)
        have_director = have_director or wire.from_json(MetadataVersions, device.director_versions)
        nonce = repository.last_nonce(session, device)
        return self._director.bundle(device_id, wishes, have_image, have_director, now, nonce)

    def lease_for(self, session: Session, device_id: str, now: datetime, wanted: Orders | None = None) -> Lease | None:
        """Give leave to download where an open assignment still has something to fetch; see `shares_a_rate`."""
        row = to_fetch(repository.wanted(session, device_id) if wanted is None else wanted, now)
        return None if row is None else self._lending.lend(session, row, download_left_s(row, now), now)

    def shares_a_rate(self, session: Session, device_id: str, now: datetime, wanted: Orders | None = None) -> bool:
        """Whether what is lent to it is written down: then `lease_for` needs a transaction that writes."""
        row = to_fetch(repository.wanted(session, device_id) if wanted is None else wanted, now)
        return row is not None and self._lending.shares(row)


def _check_fits(device: Device, component: str, release: Release) -> None:
    if release.component != component:
        raise Conflict("conflict", f"{release.id} is a release of {release.component}, not of {component}.")
    if device.hw not in release.hw:
        raise Conflict("wrong_hardware", f"{release.id} is not made for {device.hw}, the hardware of {device.id}.")
    if device.revoked_at is not None:
        raise Conflict("conflict", f"{device.id} is revoked.")


def _signed_wish(row: Assignment, release: Release) -> SignedWish:
    note = AssignmentNote(
        device=row.device_id,
        assignment=row.id,
        component=row.component,
        seq=row.seq,
        intent=Intent(row.intent),
        activate=row.activate,
        windows=tuple((start, end) for start, end in row.windows or ()),
        joint=wire.from_json(JointSet, row.joint) if row.joint else None,
        recreate=row.recreate,
        shadow=wire.from_json(ShadowTerms, row.shadow) if row.shadow else None,
    )
    return SignedWish(note=note, version=release.version, digest=row.digest, manifest_size=release.manifest_size)


def _clear_next(device: Device) -> None:
    device.next_public_key, device.next_certificate_serial, device.next_certificate_expires_at = "", "", None
