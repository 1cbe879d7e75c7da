"""What the rollout engine costs at the size of a fleet: a plan for everybody, and a tick in which some reported.

Promises: the server's own service on its own database with real signing keys; devices are rows, since a hundred
thousand of them on this machine would measure the machine. A tick is counted until it is committed; the number of
devices is the only thing that differs between sizes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from sqlmodel import col

from surefoot_server.db import Database
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.devices.service import DeviceService
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.releases.leases import KEY_BYTES, LeaseTokens
from surefoot_server.releases.models import Release
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.service import RolloutService
from surefoot_shared.status import Outcome
from surefoot_simulators.bench.figures import Figure
from surefoot_simulators.demo.server import Operator

SIZES = (1_000, 10_000, 100_000)
CHANGES, ROUNDS = 100, 3
PLAN_GOAL_S, TICK_GOAL_MS, FLAT_GOAL = 5.0, 50.0, 1.5
HARDWARE = ("jetson-orin", "rpi5", "x86-box")
SITES, ASLEEP_EVERY = 100, 20
AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
POLICY = """\
phases:
  - {name: all, percent: 100, bake: 1h}
gate: {objectives: [{metric: failed, fail_if_surely_above: 50%}]}
limits: {max_concurrent: 300}
"""


@dataclass(frozen=True)
class Costs:
    """Of one fleet size: to plan, to start, and a tick without news, with outcomes, with outcomes and new offers."""

    devices: int
    plan_s: float
    start_s: float
    quiet_ms: float
    outcomes_ms: float
    both_ms: float


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    made = keys(work)
    found = []
    for size in SIZES:
        say(f"a rollout over {size} devices")
        with server(work / str(size), made) as site:
            found.append(site.costs(size))
    return figures(found)


def figures(costs: Sequence[Costs]) -> list[Figure]:
    """The largest fleet's figures, and how they compare with the smallest one's."""
    small, large = costs[0], costs[-1]
    sizes = ", ".join(f"{c.devices}: {c.outcomes_ms:.1f} ms" for c in costs)
    news = f"{CHANGES} attempts ended since the last look"
    return [
        Figure(
            f"plan for {large.devices} devices", large.plan_s, "s", PLAN_GOAL_S, note=f"start {large.start_s:.1f} s"
        ),
        Figure(
            f"engine tick, {large.devices} devices, {CHANGES} changes", large.outcomes_ms, "ms", TICK_GOAL_MS, note=news
        ),
        Figure(
            f"engine tick, {large.devices} devices, nothing new",
            large.quiet_ms,
            "ms",
            TICK_GOAL_MS,
            note="one device in twenty sleeps and has its turn when it wakes",
        ),
        Figure(
            f"engine tick at {large.devices} devices against {small.devices}",
            large.outcomes_ms / small.outcomes_ms,
            "times",
            FLAT_GOAL,
            note=sizes,
        ),
        Figure(
            f"engine tick with {CHANGES} changes and {CHANGES} new offers, against {small.devices} devices",
            large.both_ms / small.both_ms,
            "times",
            FLAT_GOAL,
            note=f"{large.both_ms:.0f} ms: every offer is an assignment, a decision and an audit row of its own",
        ),
    ]


@dataclass(frozen=True)
class Site:
    database: Database
    service: RolloutService

    def costs(self, size: int) -> Costs:
        populate(self.database, size)
        order = Order(POLICY, "app/1.1", "all", salt="bench")
        with self.database.read() as session:
            plan_s = _timed(lambda: self.service.plan(session, order)) / 1000
        start_s = _timed(lambda: self.service.start(order, "bench", AT)) / 1000
        quiet, outcomes, both = [], [], []
        for round_ in range(ROUNDS):
            at = AT + timedelta(seconds=10 + 10 * round_)
            self._commit(CHANGES, at)
            both.append(self._tick(at))
            at += timedelta(seconds=1)
            quiet.append(self._tick(at))
            self._pause(True, at)
            self._commit(CHANGES, at)
            outcomes.append(self._tick(at))
            self._pause(False, at)
        return Costs(size, plan_s, start_s, median(quiet), median(outcomes), median(both))

    def _tick(self, at: datetime) -> float:
        return _timed(lambda: self.service.tick(at))

    def _pause(self, on: bool, at: datetime) -> None:
        """While paused nothing is offered, so a tick takes in what ended and does nothing else."""
        (self.service.pause if on else self.service.resume)("r1", "bench", at)

    def _commit(self, count: int, at: datetime) -> None:
        """What storing the outcomes of so many devices leaves behind."""
        with self.database.write() as session:
            some = sa.select(col(Assignment.id)).where(col(Assignment.open).is_(True)).limit(count)
            done = {"open": False, "wanted": False, "outcome": Outcome.COMMITTED.value, "ended_at": at}
            session.connection().execute(
                sa.update(Assignment).where(col(Assignment.id).in_(some)).values(outcome_by="device", **done)
            )


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def keys(work: Path) -> Path:
    operator = Operator(work, 1, work / "no-token")
    operator.run("keys", "init", str(operator.keys))
    return operator.keys


@contextmanager
def server(folder: Path, keys: Path) -> Iterator[Site]:
    folder.mkdir()
    database = Database.at(folder / "surefoot.db")
    database.upgrade()
    installed = install_keys(keys, folder)
    online = OnlineRepository(installed.repo_dir, installed.online_dir)
    orders = DeviceService(online, Lending(LeaseTokens(b"k" * KEY_BYTES), "https://localhost/blobs/"))
    yield Site(database, RolloutService(database, orders, online, lambda raw: None))
    database.dispose()


def populate(database: Database, size: int) -> None:
    names = [f"cam-{i:06}" for i in range(size)]
    with database.write() as session:
        for number, version in enumerate(("1.0", "1.1")):
            session.add(_release(version, number + 100))
        devices = [_device(name, i) for i, name in enumerate(names)]
        session.flush()
        session.connection().execute(sa.insert(Device), devices)
        parts = [
            {"device_id": name, "component": "app", "release_id": "app/1.0", "digest": "0" * 64, "updated_at": AT}
            for name in names
        ]
        session.connection().execute(sa.insert(DeviceComponent), parts)


def _device(name: str, index: int) -> dict[str, object]:
    awake = index % ASLEEP_EVERY != 0
    seen = AT if awake else AT - timedelta(days=1)
    return {
        "id": name,
        "hw": HARDWARE[index % len(HARDWARE)],
        "public_key": "",
        "attributes": {"site": f"site-{index % SITES}"},
        "enrolled_at": AT - timedelta(days=30),
        "online": awake,
        "last_seen_at": seen,
        "hello_at": seen,
    }


def _release(version: str, counter: int) -> Release:
    return Release(
        id=f"app/{version}",
        component="app",
        version=version,
        counter=counter,
        svn=1,
        hw=list(HARDWARE),
        digest=str(counter - 100) * 64,
        manifest_size=100,
        total_bytes=1000,
        published_at=AT,
        published_by="bench",
    )
