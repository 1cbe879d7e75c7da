"""Clients of a real broker that are driven in step: MQTT 5 over TLS, each call waits for what it asked.

Promises: no thread, and nothing moves but within a call; a call ends with what it waited for, or with an error after
LIMIT_S of real time; nothing is acknowledged to the broker before its owner says so. Waiting is a poll of all sockets.
Errors are no Unreachable: nobody in the world may take them for its weather, and try again.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from surefoot_server.inbound import Telegram
from surefoot_server.packets import read_packet
from surefoot_shared.errors import SurefootError
from surefoot_simulators.fleet import packets

LIMIT_S = 10.0
KEEPALIVE_S = 600
"""The broker's longest. Real time: a run in step may leave a client alone for long."""
PING_S = 200.0
READ_BYTES = 65536
PROTOCOL = 5
REFUSED = 0x80
"""Reason codes from here on are failures. MQTT 5 §2.4."""


@dataclass
class Client:
    """One connection. `came` are messages that nobody has taken yet: (retained, message)."""

    name: str
    acknowledges: bool
    connection: ssl.SSLSocket
    out: bytearray = field(default_factory=bytearray)
    read: bytearray = field(default_factory=bytearray)
    came: deque[tuple[bool, Telegram]] = field(default_factory=deque)
    mid: int = 0
    answers: set[tuple[int, int]] = field(default_factory=set)
    """(kind of packet, message id) of answers that arrived and were not waited for yet."""
    pings: int = 0
    pongs: int = 0
    wrong: str = ""

    def next_mid(self) -> int:
        self.mid = self.mid % 65535 + 1
        return self.mid


class Clients:
    """`address` is the broker's; TLS contexts come with each client."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._alive: dict[str, Client] = {}
        self._ping_at = time.monotonic() + PING_S

    # --- what a client does -------------------------------------------------------------------------------------------

    def connect(
        self,
        name: str,
        context: ssl.SSLContext,
        session_s: int = 0,
        receive_maximum: int = 65535,
        will: packets.Will | None = None,
        acknowledges: bool = True,
    ) -> Client:
        """Connect; the broker ends a connection of that name. Returns once it said that it accepts this one."""
        try:
            plain = socket.create_connection(self._address, timeout=LIMIT_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = context.wrap_socket(plain, server_hostname="localhost")
        except OSError as error:
            raise failed(f"{name} does not reach it: {error}") from error
        connection.setblocking(False)
        before = self._alive.pop(name, None)
        client = self._alive[name] = Client(name, acknowledges, connection)
        self._selector.register(connection, selectors.EVENT_READ, client)
        self._send(client, packets.connect_5(name, receive_maximum, session_s, KEEPALIVE_S, will))
        if before is not None:
            self._selector.unregister(before.connection)
        self._answer(client, packets.CONNACK, 0, "connect")
        if before is not None:  # open until now: it is the broker that ends it
            before.connection.close()
        return client

    def subscribe(self, client: Client, *filters: str) -> None:
        """Returns once the broker granted it and sent what is retained."""
        mid = client.next_mid()
        self._send(client, packets.subscribe(mid, *filters, five=True))
        self._answer(client, packets.SUBACK, mid, "subscribe")
        self.fence(client)

    def publish(self, client: Client, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Returns once the broker has taken it, and so has given it to everybody who is connected."""
        mid = client.next_mid() if qos else 0
        self._send(client, packets.publish(topic, payload, mid, retain=retain, five=True))
        if qos:
            self._answer(client, packets.PUBACK, mid, f"message on {topic}")
        else:
            self.fence(client)

    def acknowledge(self, client: Client, telegram: Telegram) -> None:
        """It leaves with what is said next, at the latest with `fence`."""
        if telegram.qos:
            client.out += packets.puback(telegram.mid)

    def fence(self, client: Client) -> None:
        """Returns once the broker has done everything that this client asked before."""
        until = self._ping(client)
        self.wait(lambda: client.pongs >= until, lambda: f"answer to {client.name}")

    def drop(self, name: str) -> None:
        """End a connection without a goodbye, as a power cut does."""
        client = self._alive.pop(name, None)
        if client is not None:
            self._selector.unregister(client.connection)
            client.connection.close()

    def close(self) -> None:
        for name in list(self._alive):
            self.drop(name)
        self._selector.close()

    # --- moving bytes -------------------------------------------------------------------------------------------------

    def wait(self, until: Callable[[], bool], for_what: Callable[[], str]) -> None:
        """Move bytes until it is so; raises SurefootError at the limit, and where a connection ends or is refused."""
        end_s = time.monotonic() + LIMIT_S
        self._stay()
        while not until():
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise failed(f"within {LIMIT_S:g} s there was no {for_what()}")
            for key, _ in self._selector.select(left_s):
                self._take(key.data)

    def _stay(self) -> None:
        """Real time passes for a broker, whatever the world's is."""
        if time.monotonic() >= self._ping_at:
            self._ping_at = time.monotonic() + PING_S
            for client in self._alive.values():
                self._ping(client)

    def _ping(self, client: Client) -> int:
        """Returns how many answers there will have been with this one's."""
        client.pings += 1
        self._send(client, packets.PING)
        return client.pings

    def _answer(self, client: Client, kind: int, mid: int, what: str) -> None:
        self.wait(lambda: (kind, mid) in client.answers, lambda: f"answer to {client.name} ({what})")
        client.answers.discard((kind, mid))

    def _send(self, client: Client, packet: bytes) -> None:
        client.out += packet
        self._flush(client)

    def _flush(self, client: Client) -> None:
        try:
            while client.out:
                del client.out[: client.connection.send(client.out)]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            pass
        except OSError as error:
            raise failed(f"the connection of {client.name} broke off: {error}") from error
        wants = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.out else 0)
        if self._selector.get_key(client.connection).events != wants:
            self._selector.modify(client.connection, wants, client)

    def _take(self, client: Client) -> None:
        ended = False
        try:
            while not ended:
                piece = client.connection.recv(READ_BYTES)
                client.read += piece
                ended = not piece
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            pass
        except OSError:
            ended = True
        for first, body in packets.split(client.read):
            _heard(client, first, body)
        if client.wrong or ended:
            self.drop(client.name)
            raise failed(f"{client.name}: {client.wrong or 'it closed the connection'}")
        self._flush(client)


def _heard(client: Client, first: int, body: bytes) -> None:
    kind = first >> 4
    if kind == packets.PUBLISH:
        telegram = read_packet(first, body, PROTOCOL, 0)
        client.came.append((bool(first & 1), telegram))
        if client.acknowledges and telegram.qos:
            client.out += packets.puback(telegram.mid)
    elif kind == packets.PINGRESP:
        client.pongs += 1
    elif kind == packets.CONNACK:
        _judge(client, body[1:2], 0, kind)
    elif kind == packets.SUBACK:
        _judge(client, body[3 + body[2] :], int.from_bytes(body[:2], "big"), kind)
    elif kind == packets.PUBACK:
        _judge(client, body[2:3], int.from_bytes(body[:2], "big"), kind)


def _judge(client: Client, reasons: bytes, mid: int, kind: int) -> None:
    if any(reason >= REFUSED for reason in reasons):
        client.wrong = f"it refused what was asked (reason {max(reasons):#x}, packet {kind})"
    client.answers.add((kind, mid))


def failed(what: str) -> SurefootError:
    """Of which nobody in the world is to blame."""
    return SurefootError("unreachable", f"The real broker failed: {what}.", "Look at its words in the log of this run.")
