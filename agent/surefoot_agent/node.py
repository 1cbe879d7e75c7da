"""Put the agent's parts together on a real device, and run them until told to stop.

Promises: one agent per state folder (a lock says so in one sentence); everything that is started is stopped; what was
read of settings and identity is final for this process. Decides nothing: see runner.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import sqlite3
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from surefoot_agent import __version__, boots, guard, readiness
from surefoot_agent.application import Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.clock import SystemClock, stamp
from surefoot_agent.config import Settings
from surefoot_agent.contract import admission
from surefoot_agent.data import DataFolder
from surefoot_agent.desk import Desk, Rules
from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.pace import Pacing
from surefoot_agent.enrol import Identity, load_identity
from surefoot_agent.golden import first_boot
from surefoot_agent.health.checks import Checks
from surefoot_agent.journal import Journal, open_journal
from surefoot_agent.lanes import ThreadLanes
from surefoot_agent.link import Link
from surefoot_agent.orders import APPLICATION_VERBS, OrderServer
from surefoot_agent.pull import Puller
from surefoot_agent.renew import Renewal
from surefoot_agent.reset_cause import Origin
from surefoot_agent.runner import Item, Runner
from surefoot_agent.sight import Hands
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.telemetry import NodeTelemetry
from surefoot_agent.trial import TrialFile
from surefoot_agent.trust import ChildTrust
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, InstallFailed
from surefoot_shared.messages import PresenceMessage
from surefoot_shared.status import Presence

log = logging.getLogger(__name__)
SOCKET = "agent.sock"
JOURNAL = "journal.db"
NONCES = 8
"""Hellos whose answer may still be on its way."""


def run(settings: Settings) -> None:
    """Run the agent until SIGTERM or SIGINT. Raises ConfigError."""
    with only_one(settings.state_dir):
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        first_boot(settings.state_dir, stop)
        if not stop.is_set():
            _run(settings, load_identity(settings.state_dir), stop)


def _run(settings: Settings, identity: Identity, stop: threading.Event) -> None:
    instance = uuid.uuid4().hex
    with starting(settings.state_dir):
        journal = open_journal(settings.state_dir / JOURNAL)
        renewal = Renewal(settings.state_dir, SystemClock().utc)
        runner = Runner(_desk(settings, renewal, journal, instance), ThreadLanes(), _linked(identity, instance))
    link = runner.link
    assert isinstance(link, Link)
    renewal.on_change(link.use)
    component_dir = settings.state_dir / settings.component
    servers = [
        OrderServer(settings.state_dir / SOCKET, runner.post),
        OrderServer(component_dir / "app.sock", runner.post, APPLICATION_VERBS, admission(runner.application)),
    ]
    try:
        with starting(settings.state_dir):
            runner.start()
            for server in servers:
                server.start()
            link.start()
        runner.run(stop)
    finally:
        link.stop()
        for server in servers:
            server.stop()
        journal.close()
    boots.stopped(settings.state_dir, guard.boot_id())


def _linked(identity: Identity, instance: str) -> Callable[[Callable[[Item], None]], Link]:
    presence = wire.encode(PresenceMessage(Presence.ONLINE, instance))
    return lambda post: Link(identity, post, presence)


def _desk(settings: Settings, renewal: Renewal, journal: Journal, instance: str) -> Desk:
    identity = renewal.identity
    hands = hands_of(settings, identity, boots.origin(settings.state_dir, guard.boot_id()))
    nonces: deque[str] = deque(maxlen=NONCES)
    trust = ChildTrust(settings.state_dir / "trust", identity.device, identity.hw, nonces=lambda: tuple(nonces))
    metrics_file = Path(settings.metrics_file) if settings.metrics_file else None
    return Desk(
        rules=Rules(
            device=identity.device,
            hw=identity.hw,
            component=settings.component,
            agent=__version__,
            telemetry_interval_s=settings.telemetry_interval_s,
            telemetry_keep=settings.telemetry_keep,
            heartbeat_interval_s=settings.heartbeat_interval_s,
            https_interval_s=settings.https_interval_s,
            lock_max_s=settings.lock_max_s,
            defer_max_s=settings.defer_max_s,
        ),
        hands=hands,
        trust=trust,
        telemetry=NodeTelemetry(settings.state_dir, hands.application, metrics_file),
        journal=journal,
        seal=renewal.seal,
        new_id=lambda: _remembered(nonces),
        instance=instance,
        doctor=lambda: findings_text(readiness.check(settings)),
        puller=_puller(renewal, journal) if settings.https_interval_s else None,
        renewal=renewal,
        svn_floor=lambda: trust.floors().svn.get(settings.component, 0),
    )


def _remembered(nonces: deque[str]) -> str:
    """A new nonce, kept for as long as its answer may be on its way."""
    nonces.append(uuid.uuid4().hex)
    return nonces[-1]


def _puller(renewal: Renewal, journal: Journal) -> Puller:
    identity, clock = renewal.identity, SystemClock()
    return Puller(
        device=identity.device,
        server_url=identity.server_url,
        ca_file=identity.ca_file,
        stream=journal.stream,
        next_seq=journal.next_hello,
        new_id=lambda: uuid.uuid4().hex,
        now=lambda: stamp(clock.utc()),
        seal=renewal.seal,
    )


def hands_of(settings: Settings, identity: Identity, origin: Origin = Origin()) -> Hands:  # noqa: B008 -- frozen
    """The real adapters of every port that touches this device."""
    component_dir = settings.state_dir / settings.component
    slots = DirectorySlots(component_dir, settings.reserve_bytes, settings.reserve_inodes)
    application = Application(
        component_dir,
        slots,
        settings.app_env,
        settings.metrics_port,
        settings.restart_delay_s,
        settings.restart_delay_max_s,
        settings.log_limit_bytes,
    )
    pacing = Pacing(settings.min_speed_bytes_per_s, settings.min_speed_window_s, settings.rate_bytes_per_s)
    return Hands(
        component_dir=component_dir,
        boot=SymlinkBoot(component_dir),
        slots=slots,
        downloader=HttpDownloader(slots, identity.ca_file, pacing, settings.connect_timeout_s, settings.read_timeout_s),
        application=application,
        health=Checks(application, slots, lambda: guard.application_pids(component_dir), settings.app_env),
        trials=TrialFile(component_dir),
        clock=SystemClock(),
        reports_dir=settings.state_dir / "reports",
        guard_budget_s=settings.guard_budget_s,
        max_starts=settings.max_starts,
        origin=origin,
        data=DataFolder(component_dir, settings.reserve_bytes),
    )


@contextmanager
def starting(state_dir: Path) -> Iterator[None]:
    """Turn what the disk says at start into one sentence; the supervisor starts the agent again later."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if "full" in str(error) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
            hint = "Free space there; the application goes on running, and the agent can then be started again."
            message = f"The agent cannot start: the disk of {state_dir} is full."
            raise InstallFailed("no_space", message, hint) from error
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        hint = "Check the disk and the owner of this folder with `surefoot-agent check`."
        message = f"The agent cannot start: {state_dir} cannot be used ({reason})."
        raise InstallFailed("slot_write_failed", message, hint) from error


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold the state folder's lock; raises ConfigError(already_running)."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(state_dir / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"{state_dir} cannot be used: {error.strerror}."
        raise ConfigError("config_invalid", message, "Give the agent's user this folder, or set state_dir.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigError("already_running", f"Another agent already works in {state_dir}.") from error
    finally:
        os.close(descriptor)


def findings_text(findings: tuple[readiness.Finding, ...]) -> str:
    """The answer of `check` for people: one line each, hints under what is wrong."""
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name:<10} {finding.message}")
        if not finding.ok and finding.hint:
            lines.append(f"      {'':<10} {finding.hint}")
    return "\n".join(lines)
