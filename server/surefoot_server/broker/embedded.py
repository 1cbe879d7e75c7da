"""The embedded broker, a process of its own: amqtt with our identity, our access table and its known holes closed.

For one machine and about 100 devices: MQTT 3.1.1, everything in memory, 0.1 of mosquitto's speed, and a message whose
acknowledgement takes over 5 s is forgotten (devices send again). It says so at start. What amqtt 0.12 gets wrong and
this module mends:
- it takes a connection without a client certificate, and any user name beside one: here the certificate's name is both;
- it looks up, and so takes over, a session by the client id before it knows who is there: here the id is the name;
- it leaves the old connection of a returning client open and deaf, or, in a kept session, lets its end mark the new
  connection as gone: here the old one is ended first, without its will;
- it publishes a last will to any topic: here a will outside the table is dropped;
- at CONNECT it sends the retained messages of everybody's subscriptions: here those of the client's own;
- it takes packets of any size: here beyond PACKET_LIMIT_BYTES the connection ends;
- it never ends a silent connection, so no will is sent: here it does after the keepalive.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from ssl import CERT_REQUIRED, SSLContext, SSLObject, TLSVersion
from typing import Any

import amqtt.broker
from amqtt.adapters import ReaderAdapter, StreamReaderAdapter, WriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.errors import MQTTError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session
from cryptography import x509
from cryptography.x509.oid import NameOID

from surefoot_server.broker.acl import Access, allows, known_name
from surefoot_server.broker.mosquitto import PACKET_LIMIT_BYTES
from surefoot_server.broker.start import EMBEDDED_NOTICE

log = logging.getLogger(__name__)

KEEPALIVE_GRACE_S = 15
PARENT_POLL_S = 1.0
TAKEOVER_S = 5.0
"""Far longer than an old connection needs to end; after it amqtt's own way is taken."""
ACCESS = {Action.SUBSCRIBE: Access.READ, Action.RECEIVE: Access.READ, Action.PUBLISH: Access.WRITE}


class Denied:
    """Who is shut out, read again on SIGHUP; shared with the plugins, which amqtt makes itself."""

    names: frozenset[str] = frozenset()
    serials: frozenset[str] = frozenset()
    """Of revoked certificates, in hexadecimal: amqtt gives Python's TLS no revocation list."""


def certified_name(tls: SSLObject | None) -> str | None:
    """The common name of the verified client certificate, where it is exactly one and a known form."""
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if der is None:
        return None
    certificate = x509.load_der_x509_certificate(der)
    names = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if f"{certificate.serial_number:x}" in Denied.serials:
        return None
    return names[0] if len(names) == 1 and known_name(names[0]) else None


class CappedReader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt has no types
    """Ends at the first piece that is larger than a packet may be."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self._ended = False

    async def read(self, n: int = -1) -> bytes:
        self._ended = self._ended or not 0 <= n <= PACKET_LIMIT_BYTES
        return b"" if self._ended else await super().read(n)

    def feed_eof(self) -> None:
        self._ended = True


class Handler(BrokerProtocolHandler):  # type: ignore[misc]
    @classmethod
    async def init_from_connect(
        cls, reader: ReaderAdapter, writer: WriterAdapter, plugins_manager: Any, loop: Any = None
    ) -> tuple[BrokerProtocolHandler, Session]:
        """Put the certificate's name in the place of what the client calls itself, before a session is looked up."""
        name = certified_name(writer.get_ssl_info())
        if name is None or name in Denied.names:
            await writer.close()
            raise MQTTError("no certificate of a known device")
        handler, session = await super().init_from_connect(reader, writer, plugins_manager, loop)
        session.client_id = session.username = name
        if session.will_flag and not allows(name, Access.WRITE, session.will_topic or "", Denied.names):
            log.warning("will_refused device=%s", name)
            session.will_flag = False
        return handler, session

    def handle_read_timeout(self) -> None:
        self.reader.feed_eof()


class FleetBroker(Broker):  # type: ignore[misc]
    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        await self._client_connected(listener_name, CappedReader(reader), amqtt.broker.StreamWriterAdapter(writer))

    async def _initialize_client_session(
        self, reader: ReaderAdapter, writer: WriterAdapter, remote_address: str, remote_port: int
    ) -> tuple[BrokerProtocolHandler, Session]:
        handler, session = await super()._initialize_client_session(reader, writer, remote_address, remote_port)
        if session.transitions.is_connected():  # a kept session: old and new connection share this one object
            await self._end_old_connection(session)
        return handler, session

    async def _end_old_connection(self, session: Session) -> None:
        """Wait until the old connection has left the session; its will must not speak for the new one."""
        will, session.will_flag = session.will_flag, False
        _, old = self._sessions[session.client_id]
        await old.handle_connection_closed()
        await self._stop_handler(old)
        until = asyncio.get_running_loop().time() + TAKEOVER_S
        while session.transitions.is_connected() and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)
        session.will_flag = will

    async def end_denied(self) -> None:
        """End the live connections of those who are shut out by name, without their wills."""
        for name in Denied.names & self._sessions.keys():
            session, handler = self._sessions[name]
            session.will_flag = False
            if session.transitions.is_connected():
                log.warning("connection_ended device=%s", name)
                await handler.handle_connection_closed()
                await self._stop_handler(handler)

    async def _delete_session(self, client_id: str) -> None:
        old, handler = self._sessions.get(client_id, (None, None))
        await super()._delete_session(client_id)
        if old is not None and handler is not None:
            old.will_flag = False  # the client is not gone, it came back: MQTT 3.1.1 §3.1.4
            await handler.handle_connection_closed()
            await self._stop_handler(handler)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        holders = {s.client_id for s, _ in self._subscriptions.get(subscription[0], [])}
        if session.client_id in holders:
            await super()._publish_retained_messages_for_subscription(subscription, session)

    @staticmethod
    def _create_ssl_context(listener: Any) -> SSLContext:
        context: SSLContext = Broker._create_ssl_context(listener)
        context.verify_mode = CERT_REQUIRED
        context.minimum_version = TLSVersion.TLSv1_2
        return context


class CertificateAuth(BaseAuthPlugin):  # type: ignore[misc]
    async def authenticate(self, *, session: Session) -> bool:
        return bool(known_name(session.username or "") and session.username not in Denied.names)


class TableAcl(BaseTopicPlugin):  # type: ignore[misc]
    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        name = session.username if session is not None else None
        return allows(name or "", ACCESS[action], topic or "", Denied.names)


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    ca: str
    cert: str
    key: str
    denied: frozenset[str]
    revoked: frozenset[str]


def read_settings(path: Path) -> Settings:
    facts = json.loads(path.read_bytes())
    return Settings(
        host=facts["host"],
        port=facts["port"],
        ca=facts["ca"],
        cert=facts["cert"],
        key=facts["key"],
        denied=frozenset(facts["denied"]),
        revoked=frozenset(facts.get("revoked", ())),
    )


def broker_config(settings: Settings) -> dict[str, Any]:
    here = "surefoot_server.broker.embedded"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        "listeners": {
            "default": {
                "type": "tcp",
                "bind": f"{host}:{settings.port}",
                "ssl": True,
                "cafile": settings.ca,
                "certfile": settings.cert,
                "keyfile": settings.key,
            }
        },
        "timeout_disconnect_delay": KEEPALIVE_GRACE_S,
        "plugins": {f"{here}.CertificateAuth": {}, f"{here}.TableAcl": {}},
    }


async def serve(path: Path) -> None:
    """Run until SIGTERM or until the server that started this process is gone."""
    settings = read_settings(path)
    stop, loop, parent = asyncio.Event(), asyncio.get_running_loop(), os.getppid()
    _read_denied(path)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    amqtt.broker.BrokerProtocolHandler = Handler  # the one place where amqtt makes handlers names it directly
    broker = FleetBroker(broker_config(settings))
    ending: set[asyncio.Task[None]] = set()

    def reload() -> None:
        _read_denied(path)
        task = loop.create_task(broker.end_denied())
        ending.add(task)  # the loop itself keeps no strong reference
        task.add_done_callback(ending.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    await broker.start()
    while not stop.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(stop.wait(), PARENT_POLL_S)
        except asyncio.TimeoutError:
            continue
    await broker.shutdown()


def _read_denied(path: Path) -> None:
    settings = read_settings(path)
    Denied.names, Denied.serials = settings.denied, settings.revoked


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    print(EMBEDDED_NOTICE, flush=True)
    # Run as `python -m`, this file is __main__; amqtt loads the plugins by the module's name: that one must serve.
    from surefoot_server.broker import embedded

    asyncio.run(embedded.serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
