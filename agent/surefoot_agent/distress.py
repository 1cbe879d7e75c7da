"""Tell the server that this device's settings cannot be used, with the credentials that still can.

Promises: of the settings only `state_dir` is taken, from the files that can be read, else its default; nothing but the
outbox changes, and nothing of the application; the same sentence is told once until an agent has started well; the
device stays offline to the server, for nothing can be ordered of it; over after LIMIT_S at most. Says nothing where
there is no identity, or another agent works with it. Never raises: the sentence on the terminal is what counts first.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from surefoot_agent import guard, report
from surefoot_agent.clock import SystemClock, stamp
from surefoot_agent.config import DROP_IN_DIRS, ENV_PREFIX, Settings
from surefoot_agent.downlink import AckArrived, Connected, LinkEvent
from surefoot_agent.identity import DEVICE_FACTS, Identity, load_identity
from surefoot_agent.journal import Journal, open_journal
from surefoot_agent.link import Link
from surefoot_agent.post import Post
from surefoot_agent.record import Record
from surefoot_agent.signer import signer_of
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, SurefootError
from surefoot_shared.messages import USABLE_AGAIN, EventKind, PresenceMessage
from surefoot_shared.seals import sealed_by
from surefoot_shared.settings import drop_ins, read_toml
from surefoot_shared.status import Presence
from surefoot_shared.trust.durable import write_durably

log = logging.getLogger(__name__)

TOLD = "settings.told"
"""The sentence that was told last; an agent that starts well removes it."""
LIMIT_S = 45.0
"""A connection over a slow mobile link and an acknowledgement; the supervisor starts the agent again soon after."""


def tell(error: ConfigError, file: Path | None, env: Mapping[str, str], dirs: Iterable[Path] = DROP_IN_DIRS) -> None:
    """Put the sentence into the outbox, and try to deliver it. Never raises."""
    state_dir = state_dir_of(file, env, dirs)
    if not (state_dir / "identity" / DEVICE_FACTS).exists():
        return
    from surefoot_agent.node import JOURNAL, only_one  # which itself asks here whether it is over

    try:
        with only_one(state_dir):
            _tell(error, state_dir, state_dir / JOURNAL)
    except (SurefootError, OSError, sqlite3.Error) as problem:
        log.warning("distress_not_told error=%s", problem)


def state_dir_of(file: Path | None, env: Mapping[str, str], dirs: Iterable[Path] = DROP_IN_DIRS) -> Path:
    """What the readable sources say, as far as they can be read; the last one counts."""
    found: object = str(Settings().state_dir)
    for path in [file] if file is not None else drop_ins(dirs):
        try:
            found = read_toml(path).get("state_dir", found)
        except ConfigError:
            continue
    found = env.get(f"{ENV_PREFIX}STATE_DIR", found)
    return Path(found) if isinstance(found, str) and found.startswith("/") else Settings().state_dir


def over(state_dir: Path, device: str, journal: Journal) -> None:
    """An agent starts with settings that it can use: what was told, and may still wait in the outbox, is over."""
    if (state_dir / TOLD).exists():
        _draft(device, journal, USABLE_AGAIN, "The agent's settings can be used again.")
        (state_dir / TOLD).unlink()


def _tell(error: ConfigError, state_dir: Path, journal_file: Path) -> None:
    identity = load_identity(state_dir)
    journal = open_journal(journal_file)
    try:
        _note(error, state_dir / TOLD, identity, journal)
        _deliver(identity, journal)
    finally:
        journal.close()


def _note(error: ConfigError, told: Path, identity: Identity, journal: Journal) -> None:
    """The outbox first: after a power cut in between the sentence is told twice, never not at all."""
    sentence = str(error)
    if told.exists() and told.read_text(errors="replace") == sentence:
        return
    _draft(identity.device, journal, error.kind, f"The agent does not start: {sentence}")
    write_durably(told, sentence.encode())


def _draft(device: str, journal: Journal, kind: str, words: str) -> None:
    when = report.Stamp(device, journal.stream, stamp(SystemClock().utc()), guard.boot_id())
    journal.note((report.notice(when, Record(Settings().component), EventKind.NOTICE, kind, words),))


def _deliver(identity: Identity, journal: Journal) -> None:
    """Send what waits in the outbox until all of it is acknowledged, or the time is over."""
    sign, items = signer_of(identity.key_file.read_bytes()), queue.Queue[LinkEvent]()
    presence = wire.encode(PresenceMessage(Presence.ONLINE, uuid.uuid4().hex))
    link = Link(identity, items.put, presence, visible=False)
    keep = Settings().telemetry_keep
    post = Post(identity.device, journal, link, lambda kind, text: sealed_by(sign, kind, text), keep)
    until = time.monotonic() + LIMIT_S
    if journal.waiting_count():
        link.start()
    try:
        while journal.waiting_count() and (left_s := until - time.monotonic()) > 0:
            try:
                item = items.get(timeout=left_s)
            except queue.Empty:
                return
            match item:
                case Connected():
                    post.connected(time.monotonic())
                case AckArrived(ack):
                    post.acknowledged(ack)
    finally:
        link.stop()
