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
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import __version__, boots, distress, guard, readiness
from surefoot_agent.clock import SystemClock, stamp
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings, components_of
from surefoot_agent.contract import admission
from surefoot_agent.desk import Desk, Rules
from surefoot_agent.download.air import Air
from surefoot_agent.hands import hands_of, uplink_of
from surefoot_agent.identity import FIRST_BOOT, Identity, load_identity
from surefoot_agent.journal import Journal, open_journal
from surefoot_agent.lanes import ThreadLanes
from surefoot_agent.link import Link
from surefoot_agent.orders import APPLICATION_VERBS, Order, OrderServer, Verb
from surefoot_agent.pull import Puller
from surefoot_agent.renew import Renewal
from surefoot_agent.runner import Item, Runner
from surefoot_agent.sight import Hands
from surefoot_agent.telemetry import NodeTelemetry
from surefoot_agent.trust import ChildTrust
from surefoot_agent.witness import FILE, Witness
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, InstallFailed, SurefootError
from surefoot_shared.messages import PresenceMessage
from surefoot_shared.status import Presence

log = logging.getLogger(__name__)
SOCKET = "agent.sock"
JOURNAL = "journal.db"
UPLINK_S = 8.0
"""For the broker's acknowledgement; the asker waits a little longer."""
DISK_REFUSES = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What no owner and no setting can mend."""
READ_ONLY_HINT = (
    "A kernel that met errors on the medium does that: see `dmesg`, check the file system with fsck while it is not "
    "mounted, and mount it for writing again; the application goes on running."
)
NONCES = 8
"""Hellos whose answer may still be on its way."""


def run(settings: Settings) -> None:
    """Run the agent until SIGTERM or SIGINT. Raises ConfigError."""
    with only_one(settings.state_dir):
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        _first_boot(settings.state_dir, stop)
        if not stop.is_set():
            _run(settings, load_identity(settings.state_dir), stop)


def _first_boot(state_dir: Path, stop: threading.Event) -> None:
    if (state_dir / "identity" / FIRST_BOOT).exists():
        from surefoot_agent.golden import first_boot  # once in a device's life

        first_boot(state_dir, stop)


def _run(settings: Settings, identity: Identity, stop: threading.Event) -> None:
    instance = uuid.uuid4().hex
    with starting(settings.state_dir):
        journal = open_journal(settings.state_dir / JOURNAL)
        distress.over(settings.state_dir, identity.device, journal)
        renewal = Renewal(settings.state_dir, SystemClock().utc)
        links: list[Link] = []  # the desks come before the link that they ask

        def round_trip(timeout_s: float) -> float:
            return links[0].round_trip(timeout_s)

        air = Air(identity.device)
        first, *beside = _desks(settings, renewal, journal, instance, round_trip, air)
        runner = Runner(first, ThreadLanes(), _linked(identity, instance), beside=beside)
    link = runner.link
    assert isinstance(link, Link)
    links.append(link)
    air.attach(link)
    renewal.on_change(link.use)
    servers = [
        OrderServer(settings.state_dir / SOCKET, asked(runner.post, link.round_trip)),
        *(_application_server(settings, desk, runner.post) for desk in (first, *beside)),
    ]
    try:
        with starting(settings.state_dir):
            runner.start()
            for server in servers:
                server.start()
            link.start()
        with starting(settings.state_dir, "go on"):
            runner.run(stop)
    finally:
        link.stop()
        for server in servers:
            server.stop()
        journal.close()
    boots.stopped(settings.state_dir, guard.boot_id())


def asked(post: Callable[[Order], None], round_trip: Callable[[float], float]) -> Callable[[Order], None]:
    """Hand orders to the runner; the one that only asks the broker is answered on the connection's own thread."""

    def take(order: Order) -> None:
        if order.verb is not Verb.UPLINK:
            post(order)
            return
        try:
            order.accept({"took_s": round_trip(UPLINK_S)})
        except SurefootError as error:
            order.refuse(error)

    return take


def _linked(identity: Identity, instance: str) -> Callable[[Callable[[Item], None]], Link]:
    presence = wire.encode(PresenceMessage(Presence.ONLINE, instance))
    return lambda post: Link(identity, post, presence)


def _application_server(settings: Settings, desk: Desk, post: Callable[[Item], None]) -> OrderServer:
    """Where the application is another user, its group may connect; else nobody but ourselves."""
    component, mode = desk.rules.component, 0o660 if settings.app_socket_dir else 0o600
    admit = admission(desk.hands.application)
    return OrderServer(settings.app_socket(component), post, APPLICATION_VERBS, admit, mode, component)


def _desks(
    settings: Settings,
    renewal: Renewal,
    journal: Journal,
    instance: str,
    round_trip: Callable[[float], float],
    air: Air,
) -> list[Desk]:
    """A desk for each component; what is the device's is the same object on all of them."""
    nonces: deque[str] = deque(maxlen=NONCES)
    identity, origin = renewal.identity, boots.origin(settings.state_dir, guard.boot_id())
    trust = ChildTrust(settings.state_dir / "trust", identity.device, identity.hw, nonces=lambda: tuple(nonces))
    shared = Shared(
        settings,
        renewal,
        journal,
        instance,
        trust,
        lambda: _remembered(nonces),
        Witness(settings.state_dir / FILE),
        round_trip,
    )
    components = components_of(settings)
    made = []
    for number, component in enumerate(components):
        way = uplink_of(settings, component, lambda: renewal.identity, round_trip)
        hands = hands_of(settings, identity, component, origin, way)
        _adopt(settings, component, hands)
        made.append(_desk(shared, component, hands, number == 0))
    return made


def _adopt(settings: Settings, component: ComponentSettings, hands: Hands) -> None:
    """Take over what another agent left; on a device in two halves the privileged one does."""
    if component.boot_variables != "surefoot" and not settings.helper_socket:
        from surefoot_agent.boot.adopt import adopt  # most devices never had another agent

        adopt(component, hands.boot, hands.component_dir)


@dataclass(frozen=True)
class Shared:
    """What the desks of one device have in common."""

    settings: Settings
    renewal: Renewal
    journal: Journal
    instance: str
    trust: ChildTrust
    new_id: Callable[[], str]
    witness: Witness
    round_trip: Callable[[float], float]


def _desk(shared: Shared, component: ComponentSettings, hands: Hands, measures_node: bool) -> Desk:
    settings, renewal, trust = shared.settings, shared.renewal, shared.trust
    metrics_file = Path(component.metrics_file) if component.metrics_file else None
    return Desk(
        rules=Rules(
            device=renewal.identity.device,
            hw=renewal.identity.hw,
            component=component.name,
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
        telemetry=NodeTelemetry(settings.state_dir, hands.application, metrics_file, node=measures_node),
        journal=shared.journal,
        seal=renewal.seal,
        new_id=shared.new_id,
        instance=shared.instance,
        doctor=lambda: _doctors_answer(settings, shared.round_trip),
        puller=_puller(renewal, shared.journal) if settings.https_interval_s else None,
        renewal=renewal,
        witness=shared.witness,
        svn_floor=lambda: trust.floors().svn.get(component.name, 0),
    )


def _doctors_answer(settings: Settings, round_trip: Callable[[float], float]) -> str:
    """What the server is told: both examinations, each line once."""
    from surefoot_agent import doctor  # what a device needs seldom costs it no memory

    found = doctor.examine(settings, round_trip)
    told = {finding.name for finding in found}
    return findings_text((*found, *(f for f in readiness.check(settings) if f.name not in told)))


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


@contextmanager
def starting(state_dir: Path, what: str = "start") -> Iterator[None]:
    """Turn what the disk says into one sentence; the supervisor starts the agent again later."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _disk_says(error, state_dir, what) from error


def _disk_says(error: sqlite3.Error | OSError, state_dir: Path, what: str) -> InstallFailed:
    number = error.errno if isinstance(error, OSError) else None
    if "full" in str(error) or number in (errno.ENOSPC, errno.EDQUOT):
        hint = "Free space there; the application goes on running, and the agent can then be started again."
        return InstallFailed("no_space", f"The agent cannot {what}: the disk of {state_dir} is full.", hint)
    if number == errno.EROFS or _read_only(state_dir):
        message = f"The agent cannot {what}: the file system of {state_dir} is read-only."
        return InstallFailed("slot_write_failed", message, READ_ONLY_HINT)
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    hint = "Check the disk and the owner of this folder with `surefoot-agent check`."
    return InstallFailed("slot_write_failed", f"The agent cannot {what}: {state_dir} cannot be used ({reason}).", hint)


def _read_only(folder: Path) -> bool:
    """SQLite tells a file that is not ours and a medium that takes no writes with the same words; the kernel knows."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold the state folder's lock; raises ConfigError(already_running), or InstallFailed where its disk refuses."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(state_dir / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in DISK_REFUSES:
            raise _disk_says(error, state_dir, "start") from error
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
    lines, width = [], max(10, *(len(finding.name) for finding in findings))
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name:<{width}} {finding.message}")
        if not finding.ok and finding.hint:
            lines.append(f"      {'':<{width}} {finding.hint}")
    return "\n".join(lines)
