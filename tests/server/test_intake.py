"""Acknowledged means stored; what is not stored stops nobody else."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from surefoot_server import intake
from surefoot_server.inbound import Telegram
from surefoot_server.intake import EXCERPT_BYTES, LETTERS_PER_MESSAGE, DeadLetter, Intake, IntakeLimits
from surefoot_server.rates import Rate
from surefoot_shared.errors import Unreachable
from surefoot_shared.identity import DevicePublicKey
from surefoot_shared.messages import Event
from tests.server.recorder import Recorder, event, events_payload

TOPIC = "surefoot/v1/d/cam-1/up/events"


class Harness:
    """An intake, its store, and what it acknowledged and put aside."""

    def __init__(self, limits: IntakeLimits | None = None) -> None:
        self.book = Recorder()
        self.key = self.book.enrol("cam-1")
        self.acknowledged: list[int] = []
        self.letters: list[DeadLetter] = []
        self._changed = threading.Condition()
        self.intake = Intake(self.book, self._acknowledge, limits or IntakeLimits(batch_s=0.02), self._put_aside)

    def say(self, mid: int, *seqs: int) -> None:
        payload = events_payload(self.key, *(event("cam-1", seq) for seq in seqs))
        self.intake.offer(Telegram(TOPIC, payload, mid, qos=1))

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 20), (self.acknowledged, self.letters, self.intake.stats())

    def _acknowledge(self, batch: Sequence[Telegram]) -> None:
        with self._changed:
            self.acknowledged += [telegram.mid for telegram in batch]
            self._changed.notify_all()

    def _put_aside(self, letter: DeadLetter) -> None:
        with self._changed:
            self.letters.append(letter)
            self._changed.notify_all()


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    made.intake.stop()


def test_nothing_is_acknowledged_while_the_store_is_away_and_all_of_it_after_it_returned(harness: Harness) -> None:
    harness.book.away = True
    harness.intake.start()
    harness.say(1, 1)
    harness.say(2, 2)
    harness.book.wait(lambda: len(harness.book.batches) >= 3)
    assert harness.acknowledged == []

    harness.book.away = False

    harness.wait(lambda: harness.acknowledged == [1, 2])
    assert harness.book.seqs("cam-1") == [1, 2]


def test_the_acknowledgement_comes_after_the_commit(harness: Harness) -> None:
    seen: list[list[int]] = []
    harness.book.on_commit = lambda _: seen.append(list(harness.acknowledged))
    harness.intake.start()

    harness.say(1, 1)

    harness.wait(lambda: harness.acknowledged == [1])
    assert seen == [[]]


def test_a_message_that_the_store_refuses_is_put_aside_and_its_neighbours_are_stored(harness: Harness) -> None:
    harness.book.refuses = lambda value: isinstance(value, Event) and value.seq == 2
    for mid in (1, 2, 3):
        harness.say(mid, mid)

    harness.intake.start()

    harness.wait(lambda: sorted(harness.acknowledged) == [1, 2, 3])
    assert harness.book.seqs("cam-1") == [1, 3]
    assert [letter.error for letter in harness.letters] == ["The store refused the message; the log has the reason."]


def test_a_message_that_cannot_be_read_becomes_a_dead_letter_with_its_hash_and_beginning(harness: Harness) -> None:
    poison = b"\x00poison" * 1000
    harness.intake.offer(Telegram(TOPIC, poison, 1, qos=1))
    harness.say(2, 1)

    harness.intake.start()

    harness.wait(lambda: harness.acknowledged == [1, 2])
    [letter] = harness.letters
    assert (letter.topic, letter.sha256) == (TOPIC, hashlib.sha256(poison).hexdigest())
    assert letter.excerpt == poison[:EXCERPT_BYTES]
    assert "JSON" in letter.error
    assert harness.book.seqs("cam-1") == [1]


def test_the_same_poison_again_and_again_is_counted_without_more_letters(harness: Harness) -> None:
    for mid in range(1, 11):
        harness.intake.offer(Telegram(TOPIC, b"poison", mid, qos=1))

    harness.intake.start()

    harness.wait(lambda: len(harness.acknowledged) == 10)
    assert len(harness.letters) == LETTERS_PER_MESSAGE
    assert harness.intake.stats().dead == 10


def test_a_message_refused_for_a_passing_reason_is_taken_when_it_comes_again(harness: Harness) -> None:
    late = harness.book.keys.pop("cam-1")
    harness.intake.start()
    for mid in range(1, LETTERS_PER_MESSAGE + 2):
        harness.say(mid, 1)
    harness.wait(lambda: len(harness.acknowledged) == LETTERS_PER_MESSAGE + 1)

    harness.book.keys["cam-1"] = late
    harness.say(9, 1)

    harness.wait(lambda: 9 in harness.acknowledged)
    assert harness.book.seqs("cam-1") == [1]


def test_a_device_that_floods_is_cut_to_its_rate_and_others_are_heard() -> None:
    harness = Harness(IntakeLimits(batch_s=0.02, device_rate=Rate(per_s=0.001, burst=5)))
    other = harness.book.enrol("cam-2")
    for mid in range(1, 51):
        harness.say(mid, mid)
    quiet = Telegram("surefoot/v1/d/cam-2/up/events", events_payload(other, event("cam-2", 1)), 51, qos=1)
    harness.intake.offer(quiet)

    harness.intake.start()

    harness.wait(lambda: len(harness.acknowledged) == 51)
    harness.intake.stop()
    assert harness.book.seqs("cam-1") == [1, 2, 3, 4, 5]
    assert harness.book.seqs("cam-2") == [1]
    assert harness.intake.stats().limited == 45
    assert set(harness.book.cut) == {"cam-1"}, "else an acknowledgement of the fifth's followers would cover the rest"


def test_many_messages_go_in_as_few_transactions() -> None:
    harness = Harness(IntakeLimits(batch=50, batch_s=0.02, device_rate=Rate(per_s=1, burst=1000)))
    for mid in range(1, 101):
        harness.say(mid, mid)

    harness.intake.start()

    harness.wait(lambda: len(harness.acknowledged) == 100)
    harness.intake.stop()
    assert harness.book.batches == [50, 50]
    assert harness.intake.stats().batches == 2


def test_a_full_queue_takes_no_more_and_does_not_acknowledge_what_it_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "OFFER_WAIT_S", 0.01)
    harness = Harness(IntakeLimits(queue=2, batch_s=0.02))
    for mid in (1, 2, 3):
        harness.say(mid, mid)
    assert (harness.intake.stats().queued, harness.intake.stats().dropped) == (2, 1)

    harness.intake.start()

    harness.wait(lambda: harness.acknowledged == [1, 2])
    harness.intake.stop()
    assert harness.acknowledged == [1, 2]


def test_stopping_while_the_store_is_away_acknowledges_nothing(harness: Harness) -> None:
    harness.book.away = True
    harness.intake.start()
    harness.say(1, 1)
    harness.book.wait(lambda: len(harness.book.batches) >= 1)

    harness.intake.stop()

    assert harness.acknowledged == []


def test_a_key_lookup_that_is_away_is_waited_for_and_one_that_fails_stops_nobody() -> None:
    class Moody(Recorder):
        moods: list[Exception]

        def public_keys(self, device_id: str) -> tuple[DevicePublicKey, ...]:
            if self.moods:
                raise self.moods.pop(0)
            return super().public_keys(device_id)

    harness = Harness()
    moody = Moody(keys=harness.book.keys)
    moody.moods = [Unreachable("unreachable", "away", retry_after_s=0.01), ZeroDivisionError("a bug")]
    harness.intake._handlers = harness.book = moody
    harness.say(1, 1)
    harness.say(2, 2)

    harness.intake.start()

    harness.wait(lambda: harness.acknowledged == [1, 2])
    harness.intake.stop()
    assert moody.seqs("cam-1") == [2]
    assert len(harness.letters) == 1


def test_the_worker_survives_a_store_whose_commit_fails(harness: Harness) -> None:
    class Breaks(Recorder):
        left = 1

        @contextmanager
        def batch(self) -> Iterator[object]:  # type: ignore[override]
            with super().batch() as taken:
                yield taken
                if self.left:
                    self.left -= 1
                    raise RuntimeError("the commit failed")

    breaks = Breaks(keys=harness.book.keys)
    harness.intake._handlers = breaks
    harness.say(1, 1)

    harness.intake.start()

    harness.wait(lambda: harness.acknowledged == [1])
    assert breaks.seqs("cam-1") == [1]
