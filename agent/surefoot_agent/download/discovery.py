"""Find the caches of this site by multicast DNS, and be found: one question, one answer, nothing kept.

Promises: it asks on every network of the device, not on that of the default route alone, which may be a modem, or none;
an answer names an address of the local network (private, link-local or loopback) and a port, nothing else of
it is used, and nothing that is had from there is believed: a false cache costs one failed question. Bounded: one
question is waited for `WAIT_S`, so many answers are taken, so many bytes read. Not a full responder: it answers the one
question for SERVICE, to whoever asked. Sources: RFC 6762, RFC 6763 (PTR, SRV, A), one-shot queries of RFC 6762 §5.1.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

log = logging.getLogger(__name__)
GROUP, PORT = "224.0.0.251", 5353
SERVICE = "_surefoot-cache._tcp.local"
WAIT_S = 1.0
ANSWERS = 8
PACKET_BYTES = 1500
TTL_S = 120
JOIN_S = 15.0
"""How soon a network that came up is listened to."""
INTERFACES = Path("/sys/class/net")
UP, LOOPBACK, MULTICAST = 0x1, 0x8, 0x1000
"""IFF_… of linux/if.h."""
PTR, A, SRV, ANY, IN, UNICAST = 12, 1, 33, 255, 1, 0x8001
"""Types, the class, and the class of a question that asks for its answer by unicast."""


def look(
    wait_s: float = WAIT_S,
    group: tuple[str, int] = (GROUP, PORT),
    interfaces: Sequence[str] | None = None,
    answers: int = ANSWERS,
) -> Sequence[str]:
    """Return the base addresses of the caches that answer, in the order of their answers.

    `interfaces` are asked on, by default all that `networks` finds.
    """
    found: dict[str, None] = {}
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            asked = [_asked(asker, name, group) for name in (networks() if interfaces is None else interfaces)]
            if not any(asked):
                return ()
            until = time.monotonic() + wait_s
            while len(found) < answers and (left_s := until - time.monotonic()) > 0:
                if not select.select([asker], [], [], left_s)[0]:
                    break
                packet, (sender, _) = asker.recvfrom(PACKET_BYTES)
                port = port_in(packet)
                if port is not None and _is_near(sender):
                    found[f"http://{sender}:{port}/blobs/"] = None
    except OSError as error:
        log.info("caches_not_looked_for error=%s", error.strerror)
    return tuple(found)


def networks(folder: Path = INTERFACES) -> Sequence[str]:
    """Names of the interfaces that are up and can multicast; the device itself alone where there is none.

    Read from sysfs: the units of cache and agent may not talk to the kernel's netlink.
    """
    flags = {path.name: _flags(path) for path in sorted(folder.glob("*"))}
    fit = [name for name, has in flags.items() if has & UP and has & MULTICAST and not has & LOOPBACK]
    return tuple(fit) or tuple(name for name, has in flags.items() if has & LOOPBACK)


def _flags(interface: Path) -> int:
    """What the kernel says of an interface; nothing where it went meanwhile."""
    try:
        return int((interface / "flags").read_text(), 16)
    except (OSError, ValueError):
        return 0


def _on(group: str, name: str) -> bytes:
    """A group on one interface, as the kernel takes it (ip_mreqn)."""
    own = "127.0.0.1" if name == "lo" else "0.0.0.0"  # noqa: S104 -- that of the interface; the kernel finds none for lo
    return struct.pack("4s4si", socket.inet_aton(group), socket.inet_aton(own), socket.if_nametoindex(name))


def _asked(asker: socket.socket, name: str, group: tuple[str, int]) -> bool:
    """False for a network without an address, or one that went meanwhile: the others are asked all the same."""
    try:
        asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _on(group[0], name))
        asker.sendto(question(), group)
    except OSError as error:
        log.debug("network_not_asked name=%s error=%s", name, error.strerror)
        return False
    return True


class Responder:
    """Answers who looks for caches, from a thread, until it is stopped; networks that come up later are joined."""

    def __init__(
        self, port: int, group: tuple[str, int] = (GROUP, PORT), interfaces: Sequence[str] | None = None
    ) -> None:
        """Raises OSError where the port cannot be had."""
        self._port, self._group, self._interfaces = port, group[0], interfaces
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(("", group[1]))
        self._join()
        self.port = self._socket.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._answer, name="discovery", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _join(self) -> None:
        """One that is joined already says so, one without an address cannot be: neither is news."""
        for name in networks() if self._interfaces is None else self._interfaces:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _on(self._group, name))
        self._joined_at = time.monotonic()

    def _answer(self) -> None:
        while not self._stop.is_set():
            if time.monotonic() - self._joined_at >= JOIN_S:
                self._join()
            if not select.select([self._socket], [], [], 0.2)[0]:
                continue
            try:
                packet, sender = self._socket.recvfrom(PACKET_BYTES)
                if asks(packet):
                    self._socket.sendto(answer(packet[:2], self._port), sender)
            except OSError as error:
                log.info("discovery_not_answered error=%s", error.strerror)


def question() -> bytes:
    return struct.pack(">6H", 0, 0, 1, 0, 0, 0) + _name(SERVICE) + struct.pack(">2H", PTR, UNICAST)


def asks(packet: bytes) -> bool:
    """True where one of the packet's questions is for SERVICE."""
    try:
        _, flags, questions, *_ = struct.unpack_from(">6H", packet)
        at = 12
        for _ in range(min(questions, ANSWERS) if not flags & 0x8000 else 0):
            name, at = _read_name(packet, at)
            kind, _ = struct.unpack_from(">2H", packet, at)
            at += 4
            if name == SERVICE and kind in (PTR, ANY):
                return True
    except (struct.error, ValueError, IndexError):
        return False
    return False


def answer(number: bytes, port: int) -> bytes:
    """One PTR and the SRV that it names; the address is the packet's own."""
    instance = f"cache.{SERVICE}"
    target = _name("cache.local")
    head = number + struct.pack(">5H", 0x8400, 0, 1, 0, 1)
    ptr = _record(SERVICE, PTR, _name(instance))
    return head + ptr + _record(instance, SRV, struct.pack(">3H", 0, 0, port) + target)


def port_in(packet: bytes) -> int | None:
    """The port of the SRV record of a cache, None where the packet holds none."""
    try:
        _, flags, questions, answers, authorities, more = struct.unpack_from(">6H", packet)
        if not flags & 0x8000:
            return None
        at = 12
        for _ in range(min(questions, ANSWERS)):
            _, at = _read_name(packet, at)
            at += 4
        for name, kind, begin in _records(packet, at, min(answers + authorities + more, 4 * ANSWERS)):
            if kind == SRV and name.endswith(SERVICE):
                port: int = struct.unpack_from(">H", packet, begin + 4)[0]
                return port or None
    except (struct.error, ValueError, IndexError):
        return None
    return None


def _records(packet: bytes, at: int, count: int) -> Iterator[tuple[str, int, int]]:
    for _ in range(count):
        name, at = _read_name(packet, at)
        kind, _, _, length = struct.unpack_from(">2HIH", packet, at)
        yield name, kind, at + 10
        at += 10 + length


def _record(name: str, kind: int, data: bytes) -> bytes:
    return _name(name) + struct.pack(">2HIH", kind, IN, TTL_S, len(data)) + data


def _name(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def _read_name(packet: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends; pointers lead backwards only, so that no packet is read for ever."""
    parts: list[str] = []
    end, limit = None, at
    while length := packet[at]:
        if length & 0xC0:
            pointed = struct.unpack_from(">H", packet, at)[0] & 0x3FFF
            end = end or at + 2
            if pointed >= limit:
                raise ValueError("a pointer leads forwards")
            at = limit = pointed
            continue
        parts.append(packet[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
        if len(parts) > 32:
            raise ValueError("a name of too many parts")
    return ".".join(parts).lower(), end or at + 1


def _is_near(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found.is_private or found.is_link_local or found.is_loopback
