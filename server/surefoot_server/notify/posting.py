"""One POST to one receiver: to an address that was judged, without proxies or redirects, in bounded time.

Promises: TLS names and certificates are checked against the host that the address was given for; an answer beyond
ANSWER_BYTES is not read. Refuses to follow redirects: where one leads was not judged.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from surefoot_server.notify.addresses import Network, Resolve, reachable, resolve
from surefoot_shared.errors import Invalid, Unreachable

TIMEOUT_S = 10.0
"""Of each step; a receiver must take the message and work on it afterwards."""
ANSWER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads."""

    tls: bool
    host: str
    port: int
    target: str


def place_of(url: str) -> Place:
    """Raises Invalid for what is no plain http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid("malformed", "The address is no URL.") from error
    wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password
    if wrong or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid("malformed", "The address must be http(s)://host/path, without user and fragment.")
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(tls, str(parts.hostname), port or (443 if tls else 80), target)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    allowed: Sequence[Network],
    trust: ssl.SSLContext | None = None,
    resolved: Resolve = resolve,
) -> int:
    """Send the body; return the answer's status. Raises NotAllowed, or Unreachable where there was no answer."""
    place = place_of(url)
    address = reachable(place.host, place.port, allowed, resolved)
    connection = _Connection(place, address, trust)
    try:
        connection.request("POST", place.target, body, {**headers, "User-Agent": "surefoot", "Connection": "close"})
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES)
        return answer.status
    except (OSError, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        raise Unreachable("unreachable", f"{place.host} did not answer: {said[:200]}.") from error
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """Connects to the judged address; the host's name is for the certificate and the Host header."""

    def __init__(self, place: Place, address: str, trust: ssl.SSLContext | None) -> None:
        super().__init__(place.host, place.port, timeout=TIMEOUT_S)
        self.default_port = 443 if place.tls else 80  # the Host header names no port that the scheme implies
        self._address = address
        self._trust = (trust or ssl.create_default_context()) if place.tls else None

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), TIMEOUT_S)
        if self._trust is not None:
            self.sock = self._trust.wrap_socket(self.sock, server_hostname=self.host)
