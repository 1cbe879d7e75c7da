"""One bounded look at the application: HTTP GET on this machine, and the Prometheus text it answers with.

Promises: `get` is over within `timeout_s` whatever the other side does (drips, never ends, never answers), and reads no
more than `limit_bytes`; `parse` keeps what it understands of the text format 0.0.4 and skips the rest.
Refuses: redirects, HTTPS, chunked answers to its HTTP/1.0 question. It is for the application's own endpoint only.
"""

from __future__ import annotations

import math
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from surefoot_shared.errors import Invalid, Unreachable

LIMIT_BYTES = 1024 * 1024
"""Hundreds of times what a camera application exposes."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True)
class Series:
    """One line of the Prometheus text."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def get(url: str, timeout_s: float, limit_bytes: int = LIMIT_BYTES, method: str = "GET") -> Answer:
    """Fetch one local page, or POST nothing to it.

    Raises Unreachable (refused, too slow, cut) or Invalid (not HTTP, too large).
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise Invalid("malformed", f"{url} is no http address.")
    deadline = time.monotonic() + timeout_s
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = "Content-Length: 0\r\n" if method == "POST" else ""
    question = f"{method} {path} HTTP/1.0\r\nHost: {parts.netloc}\r\n{body}Connection: close\r\n\r\n".encode()
    try:
        with socket.create_connection((parts.hostname, parts.port or 80), timeout_s) as connection:
            connection.settimeout(_left_s(deadline))
            connection.sendall(question)
            return _split(_read(connection, deadline, limit_bytes), url)
    except TimeoutError as error:
        raise Unreachable("too_slow", f"{url} gave no whole answer within {timeout_s:g} s.") from error
    except OSError as error:
        raise Unreachable("unreachable", f"{url} does not answer: {error.strerror or error}.") from error


def parse(text: str) -> list[Series]:
    """Return the finite samples of a Prometheus text; lines that are none are skipped."""
    series = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        value = _number(match[3]) if match else None
        if match and value is not None:
            series.append(Series(match[1], value, dict(_LABEL.findall(match[2] or ""))))
    return series


def metrics(url: str, timeout_s: float) -> list[Series]:
    """Scrape one endpoint; raises as `get` does, and Unreachable where the status is not 200."""
    answer = get(url, timeout_s)
    if answer.status != 200:
        raise Unreachable("unreachable", f"{url} answers {answer.status}.")
    return parse(answer.body.decode(errors="replace"))


def values(series: Sequence[Series], name: str) -> list[float]:
    """Values of every series of that name, one for each set of labels."""
    return [s.value for s in series if s.name == name]


def _left_s(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _read(connection: socket.socket, deadline: float, limit_bytes: int) -> bytes:
    """Read up to the stated Content-Length, as some servers keep the connection open, or to the end."""
    got, whole = bytearray(), None
    while whole is None or len(got) < whole:
        connection.settimeout(_left_s(deadline))
        part = connection.recv(65536)
        if not part:
            break
        got += part
        whole = whole or _whole_bytes(got)
        if len(got) > limit_bytes:
            raise Invalid("malformed", f"The answer is larger than {limit_bytes} bytes.")
    if whole is not None and len(got) < whole:
        raise ConnectionResetError(f"cut after {len(got)} of {whole} bytes")
    return bytes(got)


def _whole_bytes(got: bytearray) -> int | None:
    """Bytes of head and body together, once the head is there and states a Content-Length."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return None
    for line in bytes(got[:end]).split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit():
            return end + 4 + int(value)
    return None


def _split(raw: bytes, url: str) -> Answer:
    head, end, body = raw.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if not end or len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise Invalid("malformed", f"{url} does not answer as an HTTP server.")
    return Answer(int(words[1]), body)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
