"""An operator at a terminal, in front of a real server on a free port of the loopback."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from surefoot_server.access import service as access
from surefoot_server.access import users
from surefoot_server.access.roles import Role
from surefoot_server.cli.main import run
from surefoot_shared.wire import Json
from tests.server.rig import Rig, serving
from tests.server.rollouts.fleet import Fleet


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.out)
        return found


class _Terminal(io.StringIO):
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


class Operator:
    """Runs `surefoot` in this process, with the environment of the test."""

    def __init__(self, rig: Rig, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.rig = rig
        self.url = url
        self._capsys, self._patch = capsys, monkeypatch
        monkeypatch.setenv("SUREFOOT_SERVER", url)
        self.sign_in(Role.ADMIN)

    def sign_in(self, role: Role) -> None:
        file = self.rig.state.settings.data_dir / f"{role.value}.token"
        file.write_text(self.rig.token(role) + "\n")
        self._patch.setenv("SUREFOOT_TOKEN_FILE", str(file))

    def sign_in_as(self, name: str) -> None:
        """With a token of this user."""
        with self.rig.db.write() as session:
            person = f"user:{users.get(session, name).id}"
            made = access.create_token(session, f"{name}s", Role.ADMIN, name, datetime.now(timezone.utc), person=person)
        file = self.rig.state.settings.data_dir / f"{name}.token"
        file.write_text(made[1] + "\n")
        self._patch.setenv("SUREFOOT_TOKEN_FILE", str(file))

    def __call__(self, *arguments: str | Path, answer: str | None = None) -> Said:
        """Run one command line; `answer` is what is typed where it asks, None where nobody sits there."""
        self._patch.setattr("sys.stdin", io.StringIO() if answer is None else _Terminal(answer))
        self._capsys.readouterr()
        code = run([str(a) for a in arguments])
        out, err = self._capsys.readouterr()
        return Said(code, out, err)


class Door:
    """One listener for all tests, since to stop one takes a tenth of a second; behind it the test's own server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "a request after the end of its test"
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def door() -> Iterator[Door]:
    listener = socket.create_server(("127.0.0.1", 0))
    made = Door(f"http://127.0.0.1:{listener.getsockname()[1]}")
    served = uvicorn.Server(uvicorn.Config(made, log_config=None, lifespan="off"))
    thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield made
    served.should_exit = True
    thread.join(timeout=10)
    listener.close()


@pytest.fixture
def server(rig: Rig, door: Door) -> Iterator[str]:
    """The operators' API of the rig, really listening; its URL."""
    door.app = serving(rig.state)
    yield door.url
    door.app = None


@pytest.fixture
def surefoot(
    request: pytest.FixtureRequest,
    rig: Rig,
    server: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Operator:
    if "fleet" in request.fixturenames:
        request.getfixturevalue("fleet")  # before the first token: a fleet joins an untouched database at once
    return Operator(rig, server, capsys, monkeypatch)


@pytest.fixture
def fleet(rig: Rig) -> Fleet:
    """Twelve devices that run app/1.0, heard of just now by the server's real clock."""
    from surefoot_server.db import utc_now
    from tests.server.rig import NOW

    made = Fleet(rig)
    made.at = (utc_now() - NOW).total_seconds()
    made.hellos("app/1.0", *made.names)
    return made
