"""The socket of the privileged half: one user may connect, each connection has a thread, a clock and a bound.

Promises: whoever connects is known by the kernel (SO_PEERCRED) and anybody but the agent's user is turned away unheard;
a silent client loses its connection, and with it the trial lock, within seconds, so it never keeps the guard waiting; a
broken frame ends its connection and nothing else, and what the kernel cannot give now is asked for again. Refuses more
connections than the agent has use for, more than one manifest in memory, and bytes of files under the trial lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import socket
import struct
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.privileged.steward import Steward
from surefoot_agent.privileged.talk import REQUEST_BYTES, ROLE_BYTES, ROOT_BYTES, Gone, Reply, Request, Verb, Wire
from surefoot_agent.privileged.vault import Chain
from surefoot_agent.trust_talk import failure_of
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid, NotFound, Unreachable
from surefoot_shared.release import MANIFEST_LIMIT_BYTES

log = logging.getLogger(__name__)
CONNECTIONS = 16
"""The agent has four lanes, and reconnects."""
IDLE_S = 600.0
"""Of a connection without the lock; the agent opens another when it needs one."""
TALK_S = 30.0
"""Between two frames of one request."""
LOCK_IDLE_S = 5.0
"""Between two requests under the lock: less than the guard waits before it ends whoever holds it."""
LOCK_S = 60.0
"""Of one hold in all, the application's stop and start apart."""
AGAIN_S = 0.1
"""After the kernel had no descriptor or no thread for a connection."""
STREAMS = frozenset({Verb.PROVE, Verb.WRITE, Verb.READ})
"""As long as the client likes; no step of the agent's has them under the lock."""
LIMITS = (MANIFEST_LIMIT_BYTES, ROLE_BYTES, ROLE_BYTES)
_PEER = struct.Struct("3i")


class Server:
    """`uid` is whose connections are taken, besides our own for whoever runs everything as one user."""

    def __init__(self, path: Path, uid: int, stewards: Mapping[str, Steward]) -> None:
        self._path, self._uid, self._stewards = path, uid, stewards
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        self._proving, self._stopped = threading.Lock(), threading.Event()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        os.chmod(path, 0o600)
        if uid != os.geteuid():
            os.chown(path, uid, -1)
        self._socket.listen(CONNECTIONS)
        self._thread = threading.Thread(target=self._accept, name="privileged", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError as error:
                self._later(error)
                continue
            if not self._known(connection) or not self._places.acquire(blocking=False):
                connection.close()
                continue
            try:
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            except RuntimeError as error:
                connection.close()
                self._places.release()
                self._later(error)

    def _later(self, error: Exception) -> None:
        """Whoever does not listen any more is of no use: the machine may be out of something for a moment."""
        if not self._stopped.wait(AGAIN_S):
            log.warning("connection_not_taken error=%s", error)

    def _known(self, connection: socket.socket) -> bool:
        _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if uid not in (self._uid, os.geteuid()):
            log.warning("stranger_refused uid=%s", uid)
            return False
        return True

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, Session(connection, self._stewards, self._proving) as session:
                while True:
                    session.one()
        except Gone as gone:
            log.debug("connection_ended why=%s", gone)
        except Invalid as error:
            log.warning("connection_refused why=%s", error)
        except OSError as error:  # such as of a lock on a disk that is full: asked again, it may go
            log.warning("connection_broken error=%s", error)
        finally:
            self._places.release()


class Session:
    """One connection and the lock it may hold; lives on the connection's own thread, as the lock does."""

    def __init__(
        self, connection: socket.socket, stewards: Mapping[str, Steward], proving: threading.Lock | None = None
    ) -> None:
        """`proving` is held by whoever takes and proves a manifest, which is the largest thing that is sent."""
        self._socket, self._wire, self._stewards = connection, Wire(connection), stewards
        self._proving = proving or threading.Lock()
        self._lock = contextlib.ExitStack()
        self._locked_at: float | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def one(self) -> None:
        """Take one request and answer it. Raises Gone, or Invalid for what is no request."""
        self._wire.until_s = time.monotonic() + self._patience_s()
        request = wire.decode(Request, self._wire.receive(REQUEST_BYTES), REQUEST_BYTES)
        self._wire.until_s = None
        self._socket.settimeout(TALK_S)
        if request.verb in STREAMS and self._locked_at is not None:
            raise Gone("bytes of files under the trial lock")
        steward = self._stewards.get(request.component)
        if steward is None:
            self._wire.say(Reply(failure=failure_of(NotFound("not_found", f"There is no {request.component} here."))))
            if request.verb is Verb.PROVE:
                raise Gone("the metadata of no component")
            return
        began = time.monotonic()
        self._answer(request, steward)
        if self._locked_at is not None and request.verb is not Verb.LOCK:
            self._locked_at += time.monotonic() - began  # the application's stop is not the client's idling

    def _answer(self, request: Request, steward: Steward) -> None:
        match request.verb:
            case Verb.LOCK:
                self._wire.say(self._take_lock(steward))
            case Verb.UNLOCK:
                self._lock.close()
                self._locked_at = None
                self._wire.say(Reply(yes=True))
            case Verb.PROVE:
                self._wire.say(self._prove(request, steward))
            case _:
                self._wire.say(steward.do(request, self._wire))

    def _patience_s(self) -> float:
        if self._locked_at is None:
            return IDLE_S
        left_s = self._locked_at + LOCK_S - time.monotonic()
        if left_s <= 0:
            raise Gone("the lock was held for too long")
        return min(LOCK_IDLE_S, left_s)

    def _take_lock(self, steward: Steward) -> Reply:
        if self._locked_at is not None:
            return Reply(yes=True)  # one hold, whose minute goes on
        try:
            self._lock.enter_context(guard.trial_lock(steward.folder, TALK_S))
        except guard.Locked:
            return Reply(failure=failure_of(Unreachable("busy", "The trial lock is held by somebody else.")))
        self._locked_at = time.monotonic()
        return Reply(yes=True)

    def _prove(self, request: Request, steward: Steward) -> Reply:
        """One at a time, from the first byte on: sixteen manifests at once would be a node's memory."""
        if not self._proving.acquire(timeout=TALK_S):
            raise Gone("another manifest is being proved")
        try:
            manifest, chain = self._receive_chain(request)
            return steward.prove(chain, manifest, request.assignment)
        finally:
            self._proving.release()

    def _receive_chain(self, request: Request) -> tuple[bytes, Chain]:
        """The manifest, the top level, the role, and the roots: as many frames as were announced."""
        frames = []
        for number, size in enumerate(request.sizes):
            limit = LIMITS[number] if number < len(LIMITS) else ROOT_BYTES
            frames.append(self._wire.receive(min(limit, max(0, size))))
        if len(frames) < len(LIMITS):
            raise Gone("an incomplete chain")
        manifest, targets, role, *roots = frames
        return manifest, Chain(tuple(roots), targets, role)


def uid_of(user: str) -> int:
    """Raises ConfigError for a user that does not exist; the empty name is the caller."""
    if not user:
        return os.geteuid()
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as error:
        hint = "Let systemd-sysusers make it, or set agent_user."
        raise ConfigError("config_invalid", f"There is no user {user!r}.", hint) from error
