"""`surefoot up`: every role of the server in one process, from an empty folder to serving, and down again.

Promises: one server per data folder; what is wrong is said before anything runs; parts start in the order in which
they need each other and stop in reverse, within seconds of SIGTERM or SIGINT; a restart goes on where the last one
was, since everything that matters is in the database.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from surefoot_server import db
from surefoot_server.access.oidc import oidc_of
from surefoot_server.app import create_app, create_device_app
from surefoot_server.config import Settings
from surefoot_server.enrolment.service import EnrolmentService
from surefoot_server.ground import Ground, lay_ground
from surefoot_server.housekeeping import Housekeeping
from surefoot_server.line import Line, lay_line
from surefoot_server.listeners import Listener, Listeners, take_port
from surefoot_server.only_one import only_one
from surefoot_server.outlet import Found, Outlet
from surefoot_server.releases.service import ReleaseService
from surefoot_server.services import Services, make_services
from surefoot_server.standing import Standing
from surefoot_server.state import ServerState
from surefoot_server.stopping import Stop, signals
from surefoot_shared.enrolment import MqttAddress

log = logging.getLogger(__name__)
BROKER_WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What an operator needs to know once everything serves."""

    console_url: str
    device_url: str
    broker: str
    mqtt: str
    notice: str
    token_file: Path
    password: str = ""
    """Of the user `admin`, at the first start alone: for a terminal, and for nothing that keeps it."""

    def text(self) -> str:
        """One block for the terminal, without the password."""
        lines = [
            "Surefoot is up.",
            f"  Console     {self.console_url}",
            f"  Devices     {self.device_url}",
            f"  Broker      {self.broker} at {self.mqtt}",
            f"  Token file  {self.token_file}",
        ]
        return "\n".join([*lines, f"  Note        {self.notice}"] if self.notice else lines)


def run_up(settings: Settings, on_ready: Callable[[Ready], None], stop: Stop | None = None) -> None:
    """Serve until told to stop. Raises ConfigError before anything serves, KeyboardInterrupt after a clean SIGINT."""
    stop = stop or Stop()
    with ExitStack() as parts:
        if threading.current_thread() is threading.main_thread():
            parts.enter_context(signals(stop))
        parts.enter_context(only_one(settings.data_dir))
        _serve(settings, on_ready, stop, parts)
    if stop.signal == signal.SIGINT:
        raise KeyboardInterrupt


def _serve(settings: Settings, on_ready: Callable[[Ready], None], stop: Stop, parts: ExitStack) -> None:
    api_socket = parts.enter_context(take_port("127.0.0.1", settings.api_port, "operators' API"))
    device_socket = parts.enter_context(take_port(settings.bind, settings.device_port, "devices' HTTPS"))
    artifact_socket = _artifact_socket(settings, parts)
    ground = lay_ground(settings, parts)
    line = lay_line(ground, parts)
    services = make_services(ground, line)
    parts.callback(services.leader.resign)
    housekeeping = Housekeeping(ground, line, services)
    clock = housekeeping.clock()
    state = _state(ground, line, services, Standing(ground, line, services, clock), housekeeping.keep_out)
    line.start(parts)
    for start, end in ((clock.start, clock.stop), (services.sender.start, services.sender.stop)):
        start()
        parts.callback(end)
    if artifact_socket:
        _open_outlet(artifact_socket, ground, parts)
    parts.callback(line.packs.stop)  # first of all: the clock waits for its jobs, and packs take minutes
    housekeeping.say_halts()
    housekeeping.note_audit()
    if not line.gateway.wait_connected(BROKER_WAIT_S):
        log.warning("broker_not_connected waited_s=%s", BROKER_WAIT_S)
    listeners = Listeners(
        [Listener(create_app(state), api_socket), Listener(create_device_app(state), device_socket, ground.pki)],
        on_stop=services.streams.close,
    )
    stop.ends(listeners)
    listeners.serve(lambda: on_ready(_ready(ground, line)))


def _state(
    ground: Ground, line: Line, services: Services, standing: Standing, keep_out: Callable[[], None]
) -> ServerState:
    settings, authorities, broker = ground.settings, ground.authorities, line.broker
    mqtt = MqttAddress(settings.public_host, broker.port, broker.protocol)
    return ServerState(
        settings=settings,
        db=ground.database,
        leases=ground.leases,
        tokens=ground.tokens,
        blobs=ground.blobs,
        builders=services.builders,
        objects=ground.objects,
        online=ground.online,
        devices=line.devices,
        releases=ReleaseService(ground.database, ground.blobs, ground.online),
        rollouts=services.rollouts,
        enrolment=EnrolmentService(authorities.issuing, line.devices, mqtt, trusted=authorities.trusted),
        feedback=services.feedback,
        hooks=services.hooks,
        drills=services.drills,
        checkpoints=ground.checkpoints,
        oidc=oidc_of(settings),
        downlink=line.gateway,
        notify=services.notify,
        streams=services.streams,
        deny=keep_out,
        problems=standing.problems,
        warnings=standing.warnings,
        findings=services.watch.concerns,
        counters=standing.counters,
    )


def _artifact_socket(settings: Settings, parts: ExitStack) -> socket.socket | None:
    if not settings.artifact_port:
        return None
    return parts.enter_context(take_port(settings.bind, settings.artifact_port, "artifacts without TLS"))


def _open_outlet(taken: socket.socket, ground: Ground, parts: ExitStack) -> None:
    blobs, leases = ground.blobs, ground.leases
    outlet = Outlet(
        taken,
        lambda name: Found(blobs.existing(name), blobs.etag(name)),
        lambda token: leases.check(token, db.utc_now()),
    )
    outlet.start()
    parts.callback(outlet.stop)


def _ready(ground: Ground, line: Line) -> Ready:
    settings, broker = ground.settings, line.broker
    return Ready(
        console_url=f"{settings.api_url}/",
        device_url=settings.device_url,
        broker=broker.name,
        mqtt=f"{settings.public_host}:{broker.port}",
        notice=broker.notice,
        token_file=settings.token_file,
        password=ground.password,
    )
