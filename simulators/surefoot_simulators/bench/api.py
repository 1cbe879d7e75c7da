"""What a page of the API's lists costs in a fleet of a hundred thousand: the 95th of 100 answers, in milliseconds.

Promises: the server's own application, with its permissions and problem documents, in one process and without a
network; the database is the one that `rollouts` measures, with a rollout over every device begun. First, middle and
last pages are asked in turn, so a list that slows down towards its end shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi.testclient import TestClient

from surefoot_server.access import service as access
from surefoot_server.access.roles import Role
from surefoot_server.app import create_app
from surefoot_server.config import Settings
from surefoot_server.db import utc_now
from surefoot_server.events.feed import Feed
from surefoot_server.events.streams import Streams
from surefoot_server.rollouts.creation import Order
from surefoot_server.state import ServerState
from surefoot_simulators.bench import rollouts
from surefoot_simulators.bench.figures import Figure

DEVICES, PAGE, ASKED = 100_000, 100, 100
GOAL_MS = 100.0
LISTS = {
    "devices": "/api/v1/devices",
    "devices found by a word": "/api/v1/devices?q=site-42",
    "members of a rollout": "/api/v1/rollouts/r1/members",
    "decisions of a rollout": "/api/v1/rollouts/r1/decisions",
    "audit entries": "/api/v1/audit",
}


@dataclass(frozen=True)
class Asked:
    """Times of one list, and how many pages it was asked for."""

    name: str
    took_ms: Sequence[float]

    @property
    def p95_ms(self) -> float:
        return sorted(self.took_ms)[int(len(self.took_ms) * 0.95) - 1]


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    say(f"{DEVICES} devices and a rollout over all of them")
    with _client(work) as client:
        return figures([_asked(client, name, path, say) for name, path in LISTS.items()])


def figures(found: Sequence[Asked]) -> list[Figure]:
    """One figure for each list."""
    note = f"pages of {PAGE} from the whole list, 95th of {ASKED} answers, application and database in one process"
    return [Figure(f"API list of {a.name}, {DEVICES} devices, p95", a.p95_ms, "ms", GOAL_MS, note=note) for a in found]


def _asked(client: TestClient, name: str, path: str, say: Callable[[str], None]) -> Asked:
    say(f"pages of {name}")
    cursors, took = _cursors(client, path), list[float]()
    for number in range(ASKED):
        cursor = cursors[number % len(cursors)]
        began = time.perf_counter()
        answer = client.get(path, params={"limit": str(PAGE), **({"cursor": cursor} if cursor else {})})
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
    return Asked(name, took)


def _cursors(client: TestClient, path: str) -> list[str]:
    """Where the first page, one in the middle and the last begin; large steps lead there."""
    found, cursor = [""], ""
    while True:
        answer = client.get(path, params={"limit": "5000", **({"cursor": cursor} if cursor else {})})
        cursor = answer.headers.get("next-cursor", "")
        if not cursor:
            break
        found.append(cursor)
    return sorted({0: found[0], len(found) // 2: found[len(found) // 2], -1: found[-1]}.values())


@contextmanager
def _client(work: Path) -> Iterator[TestClient]:
    keys = rollouts.keys(work)
    with rollouts.server(work / "server", keys) as site:
        rollouts.populate(site.database, DEVICES)
        site.service.start(Order(rollouts.POLICY, "app/1.1", "all", salt="bench"), "bench", rollouts.AT)
        site.service.tick(rollouts.AT)
        with site.database.write() as session:
            token = access.create_token(session, "bench", Role.ADMIN, "bench", utc_now())[1]
        settings = Settings(data_dir=work / "server")
        # The lists read the database alone; the parts of a server that reach devices are not asked.
        parts = dict.fromkeys(ServerState.__dataclass_fields__)
        parts |= {"settings": settings, "db": site.database, "rollouts": site.service}
        parts |= {"streams": Streams(Feed(site.database, 1000), 1)}
        state = ServerState(**parts)  # type: ignore[arg-type]  # see above
        yield TestClient(create_app(state), headers={"Authorization": f"Bearer {token}"})
