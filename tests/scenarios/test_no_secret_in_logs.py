"""No token, key or password is in any log line, with everything logged, after all that a fleet does in its life."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import httpx
import pytest

from surefoot_server.releases.leases import LeaseTokens
from surefoot_shared.errors import SurefootError
from surefoot_simulators.demo.node import Unit, environment
from tests.scenarios.conftest import Ground
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PASSWORD, GUESS = "four words of mine", "guess-guess-guess"
FORMS = re.compile(
    r"sf_[0-9a-f]{12}_|sfe?_[A-Za-z0-9]+_[0-9a-f]{32}|PRIVATE KEY|Bearer [A-Za-z0-9]|X-Amz-Signature|argon2"
)
LONG = re.compile(r"[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{20,}")


@pytest.fixture
def world(ground: Ground, tmp_path: Path) -> Iterator[World]:
    made = World(ground, tmp_path / "world", 1, {"log_level": "DEBUG"})  # type: ignore[dict-item]
    command = [*made.server.command(made.operator.keys), "--log-level", "DEBUG"]
    made.server.unit = Unit("server", command, environment(), made.server.log, restart_s=None)
    yield made.open()
    made.close()


def live(world: World) -> list[str]:
    """An update, sign-ins good and bad, tokens made and refused, a hook that is called; the secrets of it all."""
    token = world.server.token_file.read_text().strip()
    with httpx.Client(base_url=world.server.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as api:
        grants = [{"role": "viewer"}]
        api.post("/api/v1/users", json={"name": "linh", "password": PASSWORD, "grants": grants}).raise_for_status()
        made = api.post("/api/v1/tokens", json={"name": "ci", "role": "viewer"}).json()
        hook = api.post("/api/v1/hooks", json={"name": "monitor", "do": "flag", "release": "app/1.0"}).json()
        api.delete(f"/api/v1/tokens/{made['id']}").raise_for_status()
    with httpx.Client(base_url=world.server.url, timeout=60) as anybody:
        good = anybody.post("/sign-in", data={"name": "linh", "password": PASSWORD})
        anybody.post("/sign-in", data={"name": "linh", "password": GUESS})
        anybody.post("/sign-in", data={"name": GUESS, "password": PASSWORD})
        anybody.get("/api/v1/devices", headers={"Authorization": f"Bearer {made['token']}"})
        anybody.post(hook["path"], json={"reason": "drift"})
    world.update()
    world.wait(lambda: world.all_run("1.1"), "every device on 1.1")
    world.operator.run("device", "doctor", world.node.spec.device)
    return [token, made["token"], hook["path"], PASSWORD, GUESS, good.cookies["surefoot_session"]]


def stored(world: World) -> Iterator[str]:
    """The secrets on the disk of server, operator and devices, as texts that a log line could hold."""
    for folder in (world.folder, world.operator.keys.parent):
        for path in folder.rglob("*"):
            if not path.is_file() or path.stat().st_size > 20_000:
                continue
            raw = path.read_bytes()
            if b"PRIVATE KEY" in raw:
                body = raw.decode().split("-----")[2].split()
                yield from (line for line in body if len(line) >= 32)
            elif path.name == "lease.key":
                yield from (
                    raw.hex(),
                    base64.b64encode(raw).decode(),
                    base64.urlsafe_b64encode(raw).decode().rstrip("="),
                )
            elif path.name in ("passphrase", "operator.token"):
                yield raw.decode().strip()


def is_lease(world: World, word: str) -> bool:
    key = (world.server.data / "secrets" / "lease.key").read_bytes()
    for purpose in ((), ("device",)):
        try:
            LeaseTokens(key, 1.0, *purpose).check(word, datetime(2000, 1, 1, tzinfo=timezone.utc))
        except SurefootError:
            continue
        return True
    return False


def test_nothing_secret_is_logged_at_the_finest_level(world: World) -> None:
    secrets = {*live(world), *stored(world)}
    lines = {
        f"{path.relative_to(world.folder)}: {line}": line
        for path in world.folder.rglob("*.log")
        for line in path.read_text(errors="replace").splitlines()
    }

    told = [where for where, line in lines.items() if FORMS.search(line) or any(s in line for s in secrets)]
    leases = [where for where, line in lines.items() for word in LONG.findall(line) if is_lease(world, word)]

    assert (told, leases) == ([], [])
    assert len(secrets) > 20
    assert len({where.partition(":")[0] for where in lines}) >= 3
    assert any(" DEBUG " in line for line in lines.values())
