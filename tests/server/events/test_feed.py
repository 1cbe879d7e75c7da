"""The feed is written with what it tells, numbered in order, and bounded."""

from __future__ import annotations

import contextlib
import threading

import pytest
from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.events.feed import Feed, Filter
from surefoot_server.events.models import Happening
from tests.server.rig import NOW, Rig


@pytest.fixture
def feed(rig: Rig) -> Feed:
    return rig.state.streams.feed


def record(session: Session, name: str) -> None:
    audit.record(session, "alice", "cohort.create", f"cohort:{name}", {"expression": "all"}, NOW)


def act(rig: Rig, *names: str) -> None:
    for name in names:
        with rig.db.write() as session:
            record(session, name)


def subjects(feed: Feed, after: int = 0, wanted: Filter = Filter()) -> list[str]:  # noqa: B008
    return [row.subject for row in feed.after(after, wanted)]


def test_what_a_transaction_did_is_told_in_its_order(rig: Rig, feed: Feed) -> None:
    act(rig, "a", "b")

    assert subjects(feed) == ["cohort:a", "cohort:b"]
    assert subjects(feed, after=feed.bounds()[0]) == ["cohort:b"]


def test_what_was_rolled_back_is_not_told(rig: Rig, feed: Feed) -> None:
    told = list[int]()
    feed.on_news(lambda: told.append(1))

    with contextlib.suppress(RuntimeError), rig.db.write() as session:
        record(session, "a")
        raise RuntimeError("the power went")

    assert (subjects(feed), feed.bounds(), told) == ([], (1, 0), [])


def test_who_listens_is_called_once_it_can_be_read(rig: Rig, feed: Feed) -> None:
    seen = list[list[str]]()
    feed.on_news(lambda: seen.append(subjects(feed)))

    act(rig, "a")

    assert seen == [["cohort:a"]]


def test_a_transaction_that_tells_nothing_calls_nobody(rig: Rig, feed: Feed) -> None:
    called = list[int]()
    feed.on_news(lambda: called.append(1))

    rig.release("app/1.0")

    assert called == []


def test_readers_name_a_rollout_a_device_or_kinds(rig: Rig, feed: Feed) -> None:
    with rig.db.write() as session:
        audit.record(session, "engine", "rollout.offer", "rollout:r1", {"device": "cam-1"}, NOW)
        audit.record(session, "engine", "rollout.offer", "rollout:r2", {"device": "cam-2"}, NOW)
        audit.record(session, "bob", "flag.raise", "device:cam-1", {"reason": "dark"}, NOW)

    assert subjects(feed, wanted=Filter(rollout="r2")) == ["rollout:r2"]
    assert subjects(feed, wanted=Filter(device="cam-1")) == ["rollout:r1", "device:cam-1"]
    assert subjects(feed, wanted=Filter(kinds=(Happening.FLAG,))) == ["device:cam-1"]
    assert subjects(feed, wanted=Filter(device="cam-1", kinds=(Happening.DECISION,))) == ["rollout:r1"]


def test_the_oldest_entries_go_beyond_the_number_to_keep(rig: Rig) -> None:
    small = Feed(rig.db, 3)
    act(rig, "a", "b", "c")

    small.forget_old()
    kept = small.bounds()
    act(rig, "d", "e")
    small.forget_old()

    assert (small.bounds()[1] - small.bounds()[0], kept[1] - kept[0]) == (2, 2)


@pytest.mark.slow
@pytest.mark.needs("initdb")
def test_on_postgresql_a_smaller_number_is_never_committed_after_a_larger_one(postgresql_rig: Rig) -> None:
    """Two who write at once: a reader that has seen the later one's number would never see the earlier one's."""
    rig, feed = postgresql_rig, postgresql_rig.state.streams.feed
    stop, holes = threading.Event(), list[tuple[int, int]]()

    def write(name: str) -> None:
        for number in range(12):
            rig.device(f"{name}-{number}")
            act(rig, f"{name}-{number}")

    def read() -> None:
        newest, seen = 0, set[int]()
        while not stop.is_set():
            for row in feed.after(newest):
                newest = row.id or 0
                seen.add(newest)
        holes.extend((row.id or 0, newest) for row in feed.after(0) if (row.id or 0) < newest and row.id not in seen)

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()

    assert holes == []
    assert len(feed.after(0)) >= 36
