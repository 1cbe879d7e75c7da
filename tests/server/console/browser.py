"""A signed-in person's browser, as far as tests of pages need one."""

from __future__ import annotations

from datetime import datetime, timezone

from fastapi.testclient import TestClient

from surefoot_server.access import service, signing_in
from surefoot_server.access.guard import COOKIE
from surefoot_server.access.roles import Role
from tests.server.rig import Rig

HTML = {"Accept": "text/html,application/xhtml+xml"}


def browser(rig: Rig, role: Role = Role.VIEWER, language: str = "en") -> TestClient:
    """The session that the form would open, without the form: that and the page behind it took most of the time."""
    client, now = rig.client(None), datetime.now(timezone.utc)
    client.headers.update({**HTML, "Accept-Language": language})
    with rig.db.read() as session:
        who = service.principal_of(session, rig.token(role), now)
    client.cookies.set(COOKIE, signing_in.opened(rig.state, who, "token", "testclient", now))
    return client
