"""The agent's local socket: one JSON line in, one JSON line out, an order each (`Verb`).

Promises: owner-only (0600); a request waits for its answer at most ANSWER_S (`apply`: VERIFY_S) and never holds the
loop; what is no request gets an error line. One socket serves `surefoot-agent`, another the application
(SUREFOOT_SOCKET), each with verbs of its own. Refuses everything else.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import Conflict, Invalid, SurefootError, Unreachable, UntrustedRelease
from surefoot_shared.wire import Json

LINE_BYTES = 4096
ANSWER_S = 10.0
"""Longer than any step of the loop; a caller that waits longer would rather know."""
VERIFY_S = 70.0
"""For an answer that a verification gives: usually within a second, at most the minute after which it is ended."""


class Verb(str, Enum):
    COMMIT = "commit"
    REVERT = "revert"
    STATUS = "status"
    LOCK = "lock"
    UNLOCK = "unlock"
    APPLY = "apply"
    UPLINK = "uplink"
    DEFER = "defer"
    READY = "ready"


APPLICATION_VERBS = frozenset({Verb.STATUS, Verb.LOCK, Verb.UNLOCK, Verb.DEFER, Verb.READY})
"""What the application may ask through SUREFOOT_SOCKET: never its own commit."""
PERSONS_VERBS = frozenset(Verb) - {Verb.DEFER, Verb.READY}
REASON_CHARS = 200
LARGEST_S = sys.float_info.max
"""JSON has whole numbers of any length, of which Python makes no float. What is granted, settings bound."""


@dataclass(frozen=True)
class Order:
    """One request, answered once, from any thread. `file` and `release` are what is applied, and from where.

    `start` is the start id of the application that asks, empty for a person; `for_s` 0: as long as is allowed;
    `component` empty: every component of the device.
    """

    verb: Verb
    file: str = ""
    release: str = ""
    start: str = ""
    for_s: float = 0.0
    reason: str = ""
    component: str = ""
    answers: queue.Queue[dict[str, Json]] = field(default_factory=lambda: queue.Queue(1))

    def accept(self, facts: dict[str, Json] | None = None) -> None:
        self.answers.put({"ok": True, **(facts or {})})

    def refuse(self, error: SurefootError) -> None:
        self.answers.put(_refusal(error))


class OrderServer:
    """Serves the socket on threads of its own and hands each order to `post`."""

    def __init__(
        self,
        path: Path,
        post: Callable[[Order], None],
        verbs: frozenset[Verb] = PERSONS_VERBS,
        admit: Callable[[Order], None] = lambda order: None,
        mode: int = 0o600,
        component: str = "",
    ) -> None:
        """`admit` raises where whoever asks may not; it runs on the connection's own thread.

        `component` is the only one that may be spoken of here; empty: whichever the request names.
        """
        self._path, self._post, self._verbs, self._admit = path, post, verbs, admit
        self._component = component
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)  # the state folder's lock says that nobody else serves it
        with _short(path) as address:
            old = os.umask(0o777 & ~mode)
            try:
                self._socket.bind(address)
            finally:
                os.umask(old)
        self._socket.listen(8)
        self._thread = threading.Thread(target=self._serve, name="orders", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # stopped
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(ANSWER_S)
            try:
                order = order_of(wire.parse(_line(connection), LINE_BYTES))
                if order.verb not in self._verbs:
                    raise Invalid("malformed", f"{order.verb.value} is not taken here.")
                if self._component:
                    order = replace(order, component=self._component)
                self._admit(order)
                self._post(order)
                answer = order.answers.get(timeout=answer_s(order.verb))
            except ValueError:
                answer = {"ok": False, "kind": "malformed", "message": "That is no order.", "hint": ""}
            except SurefootError as error:
                answer = _refusal(error)
            except queue.Empty:
                answer = {"ok": False, "kind": "busy", "message": "The agent did not answer in time.", "hint": ""}
            connection.sendall(wire.encode(answer) + b"\n")


def answer_s(verb: Verb) -> float:
    """Seconds within which an order of this kind is answered."""
    return VERIFY_S if verb is Verb.APPLY else ANSWER_S


def _refusal(error: SurefootError) -> dict[str, Json]:
    untrusted = isinstance(error, UntrustedRelease)
    return {"ok": False, "kind": error.kind, "message": error.message, "hint": error.hint, "untrusted": untrusted}


def order_of(asked: Mapping[str, Json]) -> Order:
    """Read one request. Raises ValueError or Invalid."""
    for_s = asked.get("for_s", 0)
    if isinstance(for_s, bool) or not isinstance(for_s, (int, float)) or not 0 <= for_s <= LARGEST_S:
        raise Invalid("malformed", "for_s is no number of seconds.")
    return Order(
        verb=Verb(_said(asked, "verb")),
        file=_said(asked, "file"),
        release=_said(asked, "release"),
        start=_said(asked, "start"),
        for_s=float(for_s),
        reason=_said(asked, "reason")[:REASON_CHARS],
        component=_said(asked, "component"),
    )


def _said(asked: Mapping[str, Json], name: str) -> str:
    """Half of a surrogate pair passes through JSON escapes; the journal could not keep it. Raises Invalid."""
    text = str(asked.get(name, ""))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("malformed", f"{name} is not Unicode text.") from error
    return text


def ask(path: Path, verb: Verb, timeout_s: float = 0.0, **more: str | float) -> dict[str, Json]:
    """Send an order to a running agent and return its answer.

    Raises Unreachable; or as the agent said, UntrustedRelease where a verification refused, else Conflict.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, _short(path) as address:
        connection.settimeout(timeout_s or answer_s(verb) + 2)
        try:
            connection.connect(address)
            connection.sendall(wire.encode({"verb": verb.value, **more}) + b"\n")
            answer = wire.parse(_line(connection, wire.LIMIT_BYTES), wire.LIMIT_BYTES)
        except OSError as error:
            message = f"No agent answers at {path}."
            raise Unreachable("unreachable", message, "Start it with `surefoot-agent run`.") from error
    if not answer.get("ok"):
        family = UntrustedRelease if answer.get("untrusted") is True else Conflict
        raise family(str(answer.get("kind")), str(answer.get("message")), str(answer.get("hint")))
    return answer


def _line(connection: socket.socket, limit: int = LINE_BYTES) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) <= limit:
        part = connection.recv(LINE_BYTES)
        if not part:
            break
        data += part
    return data


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A Unix address holds 107 bytes; a longer path is reached through a descriptor of its folder."""
    if len(os.fsencode(path)) <= 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
