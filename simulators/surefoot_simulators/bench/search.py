"""How long a person who types waits for the devices that match: the service that list, console and API share.

Promises: a database as the server makes it, with 10,000 devices of several sites, tags and releases; each question is
asked three times, and the slowest middle one counts. It covers the count of all that match and the first page with
what each runs; the page's HTML and the network are not in it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from surefoot_server import db
from surefoot_server.console import found
from surefoot_server.db import Database
from surefoot_server.devices.models import Device, DeviceComponent, DeviceTag
from surefoot_server.devices.search import Selection, Standing
from surefoot_server.releases.models import Release
from surefoot_simulators.bench.figures import Figure

DEVICES = 10_000
GOAL_MS = 300.0
TIMES = 3
TAGS = ("lab", "canary", "roof", "gate", "old")
QUESTIONS = (
    Selection(),
    Selection("cam-0099"),
    Selection("nothing-like-it"),
    Selection("orin site-12 roof"),
    Selection("2.19"),
    Selection(cohort="country == 'VN' and not tag('lab')"),
    Selection("cam", "version('app') < '2.10.0' and site ~ 'site-1*'"),
    Selection(standing=Standing.UPDATING),
)


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    database = Database.at(work / "surefoot.db")
    database.upgrade()
    fill(database, DEVICES)
    slowest, busiest = 0.0, 0.0
    for question in QUESTIONS:
        taken_ms, busy_ms = ask(database, question)
        slowest, busiest = max(slowest, taken_ms), max(busiest, busy_ms)
        asked = question.text or question.cohort or question.standing or "everybody"
        say(f"{asked}: {taken_ms:.0f} ms, of which the processor was at work for {busy_ms:.0f}")
    database.dispose()
    note = (
        f"the slowest of {len(QUESTIONS)} questions, the middle of {TIMES} tries each; count and first page, on SQLite"
    )
    return [Figure(f"device search over {DEVICES:,}", slowest, "ms", GOAL_MS, note=note)]


def ask(database: Database, question: Selection) -> tuple[float, float]:
    """Milliseconds of the middle try: as one waits, and of the processor's work."""
    taken, busy = [], []
    for _ in range(TIMES):
        start, began = time.perf_counter(), time.process_time()
        with database.read() as session:
            found.find(session, question, "", db.utc_now())
        taken.append((time.perf_counter() - start) * 1000)
        busy.append((time.process_time() - began) * 1000)
    return median(taken), median(busy)


def fill(database: Database, devices: int) -> None:
    """A fleet with everything a question may ask of it, the same every time."""
    draw, now = random.Random(7), db.utc_now()  # noqa: S311 - the same fleet every time, no secret
    names = [f"cam-{n:06d}" for n in range(devices)]
    releases = [_release(minor, now) for minor in range(20)]
    with database.write() as session:
        session.add_all(releases)
        session.add_all(_device(name, draw, now) for name in names)
        session.flush()
        tags = [{"device_id": name, "tag": tag} for name in names for tag in draw.sample(TAGS, 2)]
        db.insert_ignoring(session, DeviceTag, tags)
        session.add_all(
            DeviceComponent(
                device_id=name,
                component="app",
                slot="A",
                release_id=draw.choice(releases).id,
                digest="d" * 64,
                updated_at=now,
            )
            for name in names
        )


def _release(minor: int, now: datetime) -> Release:
    return Release(
        id=f"app/2.{minor}.0",
        component="app",
        version=f"2.{minor}.0",
        counter=minor,
        svn=1,
        digest=f"{minor:064d}",
        manifest_size=1,
        total_bytes=1,
        published_at=now,
        published_by="bench",
    )


def _device(name: str, draw: random.Random, now: datetime) -> Device:
    return Device(
        id=name,
        hw=draw.choice(("rpi5", "jetson-orin", "jetson-nano")),
        public_key="x" * 200,
        attributes={"site": f"site-{draw.randrange(300)}", "country": draw.choice(("VN", "TH", "DE"))},
        enrolled_at=now,
        online=draw.random() < 0.97,
        last_seen_at=now - timedelta(seconds=draw.randrange(900)),
    )
