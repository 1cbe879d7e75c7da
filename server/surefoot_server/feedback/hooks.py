"""Hooks: addresses at which other systems flag, hold, halt or revert; bare ones, and ones whose calls are signed.

Promises: a bare address is its own secret and is kept as a hash; a signed one needs a signature of Standard Webhooks by
one of its secrets, which are shown once and may take each other's place without a gap. The same signed message does
nothing twice, also after a restart, and one that a crash interrupted is done by its next copy. Refuses to do more
than the one act on the one thing that an address is for.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.feedback import repository
from surefoot_server.feedback.models import Hook, HookMessage, HookSecret
from surefoot_server.feedback.service import FeedbackService, Stops
from surefoot_server.notify import signing
from surefoot_server.notify.sealing import Sealing
from surefoot_server.notify.signing import Signed
from surefoot_server.rates import Rate, TokenBuckets
from surefoot_server.releases import repository as releases
from surefoot_server.rollouts import repository as rollouts
from surefoot_server.rollouts.triggers import Do
from surefoot_shared.errors import Conflict, NotAllowed, NotFound, Unreachable

log = logging.getLogger(__name__)
PREFIX = "sfh_"
"""Lets secret scanners find an address that was pasted where it should not be."""
SEEN_EVERY = timedelta(minutes=1)
"""A bare hook that says the same again within this time is counted and changes nothing more."""
MESSAGES_KEPT = timedelta(days=3)
"""Beyond the tolerance of a signature, and the 28 hours in which senders sign a message anew to try again."""
SECRETS_MOST = 3
"""That count at once: more would mean that nobody ends a change of secrets."""
REFUSED = "hook.refused"
ADDRESS_RATE = Rate(per_s=5.0, burst=100)
"""Calls of anybody, whatever they are: behind a proxy of ours everybody has one address."""
HOOK_RATE = Rate(per_s=0.5, burst=30)
"""Calls that were allowed: counted after the proof, so that a stranger cannot use them up."""
UNSIGNED = Signed("", "", "", b"")


class Act(str, Enum):
    """What a hook does when it is called."""

    FLAG = "flag"
    HOLD = "hold"
    HALT = "halt"
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class Order:
    """What a new hook shall be: about one release or one rollout. `secret`: one that the other system made."""

    name: str
    act: Act
    release: str | None = None
    rollout: str | None = None
    valid_s: float = 90 * 86_400.0
    signed: bool = False
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """`token` is the last part of its address; `secret` is "" where nothing is signed, or where it was given."""

    hook: Hook
    token: str = field(repr=False)
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Called:
    """What a call did. `again`: the same message came before, and nothing more was done."""

    hook: Hook
    stopped: Sequence[str]
    again: bool = False


class Hooks:
    """Thread-safe; rates are of this process alone."""

    def __init__(self, db: Database, stops: Stops, feedback: FeedbackService, sealing: Sealing) -> None:
        self._db, self._stops, self._feedback, self._sealing = db, stops, feedback, sealing
        self._addresses, self._allowed = TokenBuckets(ADDRESS_RATE), TokenBuckets(HOOK_RATE)
        self._lock = threading.Lock()

    # --- made, changed, ended -----------------------------------------------------------------------------------------

    def create(self, order: Order, by: str, now: datetime) -> Made:
        """Make an address; what is secret of it is in the answer and nowhere else."""
        if (order.release is None) == (order.rollout is None):
            raise Conflict("conflict", "A hook is about one release or about one rollout.", "Name exactly one of both.")
        if order.secret and not order.signed:
            raise Conflict("conflict", "A secret is for a hook whose calls are signed.", "Ask for a signed one.")
        bare = secrets.token_urlsafe(32)
        with self._db.write() as session:
            if order.release is not None:
                releases.get(session, order.release)
            if order.rollout is not None:
                rollouts.rollout(session, order.rollout)
            row = Hook(
                id=secrets.token_hex(6),
                secret_hash="" if order.signed else _hash(bare),
                name=order.name,
                do=order.act.value,
                release_id=order.release,
                rollout_id=order.rollout,
                created_at=now,
                created_by=by,
                expires_at=now + timedelta(seconds=order.valid_s),
                signed=order.signed,
            )
            session.add(row)
            session.flush()
            secret = self._add_secret(session, row, order.secret, by, now) if order.signed else ""
            detail = {"name": order.name, "do": row.do, "release": order.release, "rollout": order.rollout}
            audit.record(session, by, "hook.create", f"hook:{row.id}", {**detail, "signed": order.signed}, now)
        return Made(row, f"{PREFIX}{row.id}" if order.signed else f"{PREFIX}{row.id}_{bare}", secret)

    def rotate(self, hook_id: str, overlap_s: float, given: str, by: str, now: datetime) -> Made:
        """Give it another secret; those before count for `overlap_s` longer, or less where they end sooner."""
        with self._db.write() as session:
            row = find(session, hook_id)
            if not row.signed:
                message = f"Calls of hook {row.name} are not signed, so it has no secret to change."
                raise Conflict("conflict", message, "Make a signed one, then revoke this one.")
            if row.revoked_at is not None:
                raise Conflict("conflict", f"Hook {row.name} is revoked.", "Make another one.")
            before, ends = repository.hook_secrets(session, row.id, now), now + timedelta(seconds=overlap_s)
            if overlap_s > 0 and len(before) >= SECRETS_MOST:
                message = f"{len(before)} secrets of hook {row.name} count already, which is the most."
                raise Conflict(
                    "conflict", message, "Wait until one ends, or end all others at once with an overlap of 0s."
                )
            for secret in before:
                secret.ends_at = ends if secret.ends_at is None else min(secret.ends_at, ends)
                session.add(secret)
            made = self._add_secret(session, row, given, by, now)
            detail = {"name": row.name, "others_end_at": ends.isoformat()}
            audit.record(session, by, "hook.rotate", f"hook:{row.id}", detail, now)
        return Made(row, f"{PREFIX}{row.id}", made)

    def revoke(self, hook_id: str, by: str, now: datetime) -> Hook:
        with self._db.write() as session:
            row = find(session, hook_id)
            if row.revoked_at is None:
                row.revoked_at = now
                session.add(row)
                audit.record(session, by, "hook.revoke", f"hook:{hook_id}", {"name": row.name}, now)
            return row

    def forget_old(self, now: datetime) -> None:
        """Messages whose signature is long stale, and secrets that ended."""
        with self._db.write() as session:
            repository.forget_hook_messages(session, now - MESSAGES_KEPT)
            repository.forget_hook_secrets(session, now)

    def _add_secret(self, session: Session, row: Hook, given: str, by: str, now: datetime) -> str:
        """Keep a secret; returns it where it was made here."""
        made = "" if given else signing.new_secret()
        kept = signing.check_secret(given) if given else made
        new = HookSecret(id=secrets.token_hex(6), hook_id=row.id, sealed=b"", created_at=now, created_by=by)
        new.sealed = self._sealing.seal(_owner(new), kept)
        session.add(new)
        return made

    # --- called -------------------------------------------------------------------------------------------------------

    def admit(self, address: str, now_s: float) -> None:
        """Count a call before anything is read of it; raises Unreachable(too_many)."""
        self._take(self._addresses, address, now_s)

    def called(
        self, token: str, device_id: str | None, reason: str, now: datetime, signed: Signed = UNSIGNED
    ) -> Called:
        """Do what the hook of this token may do; raises NotAllowed, or Unreachable(too_many)."""
        try:
            return self._called(token, device_id, reason, now, signed)
        except NotAllowed as error:
            self._note_refusal(token, error, now)
            raise

    def _called(self, token: str, device_id: str | None, reason: str, now: datetime, signed: Signed) -> Called:
        with self._db.read() as session:
            row = self._proved(session, token, signed, now)
        self._take(self._allowed, row.id, time.monotonic())
        told = f"{row.name}: {reason}"
        with self._db.write() as session:
            row = find(session, row.id, lock=True)  # two copies of one message at once come one after the other
            message = session.get(HookMessage, (row.id, signed.message_id)) if row.signed else None
            if message is not None and message.stopped is not None:
                return Called(row, message.stopped, again=True)
            lately = row.used_at is not None and now - row.used_at < SEEN_EVERY and not row.signed
            row.used_at, row.uses = now, row.uses + 1
            session.add(row)
            if row.signed and message is None:
                session.add(HookMessage(hook_id=row.id, message_id=signed.message_id, at=now))
            audit.record_seldom(session, f"hook:{row.name}", "hook.call", f"hook:{row.id}", _detail(row, reason), now)
            release_id = row.release_id or rollouts.rollout(session, str(row.rollout_id)).release_id
            flags = row.do == Act.FLAG.value
            if flags and (device_id is not None or not lately) and message is None:
                self._flag(session, row, device_id, release_id, told, now)
            open_ones = [r.id for r in repository.open_rollouts(session, release_id)]
        targets = [row.rollout_id] if row.rollout_id is not None else open_ones
        actor = f"hook:{row.name}"
        stopped = (
            self._feedback.sweep(now)
            if flags
            else [r for r in targets if r and self._stops.trip(r, Do(row.do), told, now, actor)]
        )
        if row.signed:
            self._done(row, signed.message_id, stopped)
        return Called(row, stopped)

    def _flag(
        self, session: Session, row: Hook, device_id: str | None, release_id: str, told: str, now: datetime
    ) -> None:
        """A flag on the device where it names one that runs the release, else on the release."""
        if device_id is not None and release_id not in repository.runs(session, device_id):
            raise NotFound("not_found", f"No device {device_id!r} runs {release_id}.")
        self._feedback.note(session, device_id, release_id, told, f"hook:{row.name}", "hook", now)

    def _done(self, row: Hook, message_id: str, stopped: Sequence[str]) -> None:
        with self._db.write() as session:
            message = session.get(HookMessage, (row.id, message_id))
            if message is not None:
                message.stopped = list(stopped)
                session.add(message)

    def _proved(self, session: Session, token: str, signed: Signed, now: datetime) -> Hook:
        """The hook of a call; one that is unknown, expired or revoked is refused with the same words."""
        hook_id, _, secret = token.removeprefix(PREFIX).partition("_")
        row = session.get(Hook, hook_id) if token.startswith(PREFIX) else None
        here = row is not None and row.revoked_at is None and row.expires_at > now
        right = hmac.compare_digest(_hash(secret), row.secret_hash if row is not None else _hash(""))
        if row is None or not here or not (right or (row.signed and not secret)):
            raise NotAllowed("not_allowed", "This address is not valid, or not any more.", "Ask for a new one.")
        if row.signed:
            counting = repository.hook_secrets(session, row.id, now)
            signing.check([self._sealing.open(_owner(one), one.sealed) for one in counting], signed, now.timestamp())
        return row

    def _note_refusal(self, token: str, error: NotAllowed, now: datetime) -> None:
        """Audit what somebody tried at an address that exists, once an hour for each."""
        hook_id = token.removeprefix(PREFIX).partition("_")[0]
        about = f"hook:{hook_id}"
        with self._db.read() as session:
            row = session.get(Hook, hook_id)
            if row is None or audit.noted_lately(session, REFUSED, about, now):
                return
        with self._db.write() as session:
            detail = {"name": row.name, "kind": error.kind, "reason": error.message}
            audit.record_seldom(session, "anonymous", REFUSED, about, detail, now)

    def _take(self, buckets: TokenBuckets, key: str, now_s: float) -> None:
        with self._lock:
            if key and not buckets.take(key, now_s):
                wait_s = max(1.0, buckets.wait_s(key))
                raise Unreachable("too_many", "This was called too often.", retry_after_s=wait_s)


def find(session: Session, hook_id: str, *, lock: bool = False) -> Hook:
    row = session.get(Hook, hook_id, with_for_update=lock)
    if row is None:
        raise NotFound("not_found", f"There is no hook {hook_id!r}.", "`surefoot hook list` shows all.")
    return row


def _owner(secret: HookSecret) -> str:
    return f"hook:{secret.hook_id}:{secret.id}"


def _detail(row: Hook, reason: str) -> dict[str, str]:
    return {"name": row.name, "do": row.do, "reason": reason}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
