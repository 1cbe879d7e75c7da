from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import post as module
from surefoot_agent.journal import Draft, Journal, open_journal
from surefoot_agent.post import Post
from surefoot_shared import identity, wire
from surefoot_shared.messages import Ack, Event, EventKind, Events, RevertReport, Sample, Sealed, TelemetryBatch
from surefoot_shared.seals import SealKind

KEY = identity.generate_key()


class Link:
    def __init__(self) -> None:
        self.up = True
        self.events: list[list[int]] = []
        self.batches: list[TelemetryBatch] = []

    def publish(self, what: str, payload: bytes) -> bool:
        if not self.up:
            return False
        assert len(payload) <= wire.LIMIT_BYTES
        if what == "events":
            self.events.append([self._open(sealed).seq for sealed in wire.decode(Events, payload).events])
        else:
            self.batches.append(wire.decode(TelemetryBatch, payload))
        return True

    def _open(self, sealed: Sealed) -> Event:
        return wire.decode(Event, identity.open_sealed(SealKind.EVENT, sealed, KEY.public_key()))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(tmp_path / "journal.db")
    yield opened
    opened.close()


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def post(journal: Journal, link: Link) -> Post:
    return new_post(journal, link)


def new_post(journal: Journal, link: Link) -> Post:
    return Post("cam-1", journal, link, lambda kind, payload: identity.seal(kind, payload, KEY), keep=1000)


def draft(log: str = "") -> Draft:
    report = RevertReport(None, "", log, "ordered")
    return lambda seq: Event("cam-1", "s", seq, "2030-01-01T00:00:00Z", "b", EventKind.PROGRESS, report=report)


def samples(count: int = 3) -> list[Sample]:
    return [Sample("2030-01-01T00:00:00Z", "camera_fps", 25.0)] * count


def ack(journal: Journal, event: int = 0, batch: int = 0) -> Ack:
    return Ack(journal.stream, event, batch)


def test_nothing_is_sent_before_the_hello_was_said(post: Post, journal: Journal, link: Link) -> None:
    journal.note([draft()])
    post.flush(0.0)
    assert link.events == []

    post.connected(0.0)

    assert link.events == [[1]]


def test_each_event_is_sent_once_on_one_connection_and_again_on_the_next(
    post: Post, journal: Journal, link: Link
) -> None:
    post.connected(0.0)
    journal.note([draft()])
    post.flush(1.0)
    journal.note([draft()])
    post.flush(2.0)
    assert link.events == [[1], [2]]

    post.disconnected()
    post.connected(3.0)

    assert link.events == [[1], [2], [1, 2]]


def test_a_message_carries_twenty_events_at_most(post: Post, journal: Journal, link: Link) -> None:
    journal.note([draft() for _ in range(45)])

    post.connected(0.0)

    assert [len(numbers) for numbers in link.events] == [20, 20, 5]
    assert [n for numbers in link.events for n in numbers] == list(range(1, 46))


def test_large_reports_are_spread_over_messages_that_the_broker_lets_through(
    post: Post, journal: Journal, link: Link
) -> None:
    journal.note([draft('"' * 30_000) for _ in range(6)])

    post.connected(0.0)

    assert [n for numbers in link.events for n in numbers] == [1, 2, 3, 4, 5, 6]
    assert len(link.events) > 1


def test_what_the_link_does_not_take_waits(post: Post, journal: Journal, link: Link) -> None:
    post.connected(0.0)
    link.up = False
    journal.note([draft()])
    post.flush(1.0)
    link.up = True

    post.tick(2.0)

    assert link.events == [[1]]


def test_silence_makes_it_send_again_and_an_acknowledgement_ends_that(post: Post, journal: Journal, link: Link) -> None:
    journal.note([draft()])
    post.connected(0.0)
    post.tick(module.RESEND_S - 1)
    assert len(link.events) == 1

    post.tick(module.RESEND_S)
    assert len(link.events) == 2
    post.acknowledged(ack(journal, event=1))
    post.tick(1000.0)

    assert len(link.events) == 2
    assert journal.waiting_count() == 0


def test_an_acknowledgement_of_another_stream_means_nothing(post: Post, journal: Journal) -> None:
    journal.note([draft()])

    post.acknowledged(Ack("another journal", 100, 100))

    assert journal.waiting_count() == 1


def test_telemetry_stays_in_memory_while_it_is_acknowledged_quickly(post: Post, journal: Journal, link: Link) -> None:
    post.connected(0.0)
    for second in range(0, 50, 10):
        post.add(samples(), float(second))
        post.acknowledged(ack(journal, batch=link.batches[-1].batch))
        post.tick(float(second))

    assert [batch.batch for batch in link.batches] == [1, 2, 3, 4, 5]
    assert journal.batches(0, 10) == ()


def test_telemetry_that_waits_is_written_down_and_sent_by_the_next_process(
    post: Post, journal: Journal, link: Link
) -> None:
    post.add(samples(), 0.0)
    post.add(samples(), 10.0)
    post.tick(module.SPOOL_S)
    assert len(journal.batches(0, 10)) == 2

    new_post(journal, link).connected(100.0)

    assert [batch.batch for batch in link.batches] == [1, 2]


def test_stopping_writes_down_what_is_only_in_memory(post: Post, journal: Journal) -> None:
    post.add(samples(), 0.0)

    post.persist()

    assert [len(batch.samples) for batch in journal.batches(0, 10)] == [3]


def test_the_oldest_samples_go_first_and_the_server_is_told_how_many(journal: Journal, link: Link) -> None:
    post = Post("cam-1", journal, link, lambda kind, payload: identity.seal(kind, payload, KEY), keep=50)
    for minute in range(10):
        post.add(samples(10), minute * 60.0)
        post.tick(minute * 60.0 + module.SPOOL_S)

    post.connected(1000.0)

    assert [batch.batch for batch in link.batches] == [6, 7, 8, 9, 10]
    assert {batch.dropped for batch in link.batches} == {50}


def test_a_process_that_died_never_has_its_batch_numbers_used_again(journal: Journal, link: Link) -> None:
    first, second = new_post(journal, link), new_post(journal, link)
    first.connected(0.0)
    first.add(samples(), 0.0)
    second.connected(0.0)
    second.add(samples(), 0.0)

    assert [batch.batch for batch in link.batches] == [1, 101]


def test_no_samples_make_no_batch(post: Post, journal: Journal, link: Link) -> None:
    post.connected(0.0)

    post.add([], 0.0)

    assert link.batches == []


def test_a_second_in_which_nothing_happened_does_not_ask_the_journal(
    post: Post, journal: Journal, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    waiting = journal.waiting

    def counted(above: int, limit: int) -> tuple[Event, ...]:
        asked.append(above)
        return waiting(above, limit)

    monkeypatch.setattr(journal, "waiting", counted)
    post.connected(0.0)
    journal.note([draft()])
    post.tick(1.0)
    so_far = len(asked)

    for second in range(2, 10):
        post.tick(float(second))
    assert len(asked) == so_far

    journal.note([draft()])
    post.tick(10.0)
    assert link.events == [[1], [2]]


def test_what_the_server_has_and_the_journal_never_numbered_is_told_under_a_new_stream(
    post: Post, journal: Journal, link: Link
) -> None:
    post.connected(0.0)
    journal.note((draft(),))
    post.flush(0.0)
    before = journal.stream

    assert not post.acknowledged(Ack(before, 0, 0))
    assert post.acknowledged(Ack(before, 7, 0))  # it stored seven; one was numbered since the journal forgot
    post.flush(1.0)

    assert journal.stream != before
    assert link.events == [[1], [1]]
    assert [event.stream for event in journal.waiting(0, 5)] == [journal.stream]
    assert not post.acknowledged(Ack(journal.stream, 1, 0))
    assert journal.is_empty()


def test_a_batch_that_was_never_numbered_is_as_good_a_sign(post: Post, journal: Journal) -> None:
    assert post.acknowledged(Ack(journal.stream, 0, 500))
