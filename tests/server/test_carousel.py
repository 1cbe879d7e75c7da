"""Chunks are sent once for as many as can be waited for, and whoever comes late catches up. Time is played here."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from surefoot_server.carousel import BLOBS_LIMIT, GATHER_S, LONGEST, PASSES, SHORT, Carousel

CHUNK_S = 0.1
"""What one chunk takes on the line."""


def drain(carousel: Carousel, now: float, limit: int = 1000) -> list[tuple[str, int]]:
    """Send until nothing is asked for."""
    out: list[tuple[str, int]] = []
    while (wait_s := carousel.wait_s(now)) is not None and len(out) < limit:
        out.append(carousel.take())
        now += wait_s + CHUNK_S
        carousel.sent(out[-1][0], now)
    return out


def play(begins: Sequence[float], blobs: Mapping[str, int]) -> Counter[str]:
    """Devices fetch blob after blob, each from its time on; return how many chunks of each blob were sent."""
    carousel, sent, now = Carousel(), Counter[str](), 0.0
    names = list(blobs)
    lacks = [{name: set(range(count)) for name, count in blobs.items()} for _ in begins]
    at = [-1] * len(begins)
    """Which blob a device has asked for last."""

    def ask_whoever_can() -> None:
        for n, begin in enumerate(begins):
            free = at[n] < 0 or not lacks[n][names[at[n]]]
            if free and begin <= now and at[n] + 1 < len(names):
                at[n] += 1
                carousel.ask(names[at[n]], lacks[n][names[at[n]]], now)

    while any(lacks[n][names[-1]] for n in range(len(begins))):
        ask_whoever_can()
        wait_s = carousel.wait_s(now)
        later = [begin - now for begin in begins if begin > now]
        if wait_s is None or wait_s > 0:
            now += min([*later, wait_s if wait_s is not None else 1e9])
            continue
        name, chunk = carousel.take()
        sent[name] += 1
        now += CHUNK_S
        carousel.sent(name, now)
        for n in range(len(begins)):
            if at[n] >= 0 and names[at[n]] == name:
                lacks[n][name].discard(chunk)
    return sent


def test_devices_that_come_within_some_seconds_of_one_another_cost_one_copy() -> None:
    begins = [n * 0.12 for n in range(50)]

    assert play(begins, {"a": 4, "b": 7, "c": 1}) == {"a": 4, "b": 7, "c": 1}


def test_one_that_was_too_late_for_a_blob_costs_that_blob_again_and_no_other() -> None:
    begins = [0.0] * 49 + [GATHER_S + 3 * CHUNK_S]

    sent = play(begins, {"a": 1, "b": 5, "c": 5, "d": 5})

    assert sent == {"a": 2, "b": 5, "c": 5, "d": 5}


def test_one_that_comes_in_the_middle_costs_what_it_missed() -> None:
    begins = [0.0] * 9 + [GATHER_S + 3.5 * CHUNK_S]

    sent = play(begins, {"a": 10, "b": 10})

    assert sent == {"a": 14, "b": 10}


def test_many_that_come_in_the_middle_share_what_they_missed() -> None:
    begins = [0.0] + [GATHER_S + n * CHUNK_S for n in range(1, 10)]

    assert play(begins, {"a": 20}) == {"a": 29}  # nine were over for the last; 45 for each by itself


def test_a_pass_goes_on_where_it_is_and_comes_round_to_what_was_missed() -> None:
    carousel = Carousel(0.0)
    carousel.ask("a", range(4), 0.0)
    taken = [carousel.take() for _ in range(2)]

    carousel.ask("a", range(4), 0.0)

    assert taken + drain(carousel, 0.0) == [("a", n) for n in (0, 1, 2, 3, 0, 1)]


def test_a_blob_that_is_asked_for_without_end_lets_others_through() -> None:
    carousel, now, order = Carousel(0.0), 0.0, []
    carousel.ask("a", range(3), now)
    carousel.ask("b", range(3), now + 0.01)

    for _ in range(3 * PASSES + 3):
        carousel.ask("a", range(3), now)
        order.append(carousel.take()[0])
        now += CHUNK_S
        carousel.sent(order[-1], now)

    assert order == ["a"] * 3 * PASSES + ["b"] * 3


def test_it_does_not_wait_for_ever_while_devices_go_on_to_ask() -> None:
    carousel = Carousel()
    for n in range(1000):
        carousel.ask("a", [0], n * 0.1)

    assert carousel.wait_s(LONGEST * GATHER_S) == 0.0


def test_what_was_just_sent_is_sent_again_after_a_short_while() -> None:
    carousel = Carousel()
    carousel.ask("a", [0], 0.0)
    drain(carousel, 0.0)
    again_at = GATHER_S + 5

    carousel.ask("a", [0], again_at)

    assert carousel.wait_s(again_at) == pytest.approx(SHORT * GATHER_S)


def test_what_is_dropped_is_not_sent_until_it_is_asked_for_again() -> None:
    carousel = Carousel(0.0)
    carousel.ask("a", range(3), 0.0)
    carousel.take()

    carousel.drop("a")
    carousel.sent("a", 0.0)

    assert carousel.wait_s(0.0) is None


def test_no_more_blobs_wait_than_there_is_room_for() -> None:
    carousel = Carousel(0.0)
    for n in range(BLOBS_LIMIT + 3):
        carousel.ask(str(n), [0], 0.0)

    assert len(drain(carousel, 0.0)) == BLOBS_LIMIT


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_asked_for_in_whatever_order_is_sent(seed: int) -> None:
    dice, carousel, now = random.Random(seed), Carousel(), 0.0
    owed: set[tuple[str, int]] = set()
    for _ in range(300):
        now += dice.random()
        if dice.random() < 0.5:
            name, chunks = dice.choice("abc"), set(dice.sample(range(20), 5))
            carousel.ask(name, chunks, now)
            owed |= {(name, chunk) for chunk in chunks}
        elif carousel.wait_s(now) == 0.0:
            name, chunk = carousel.take()
            owed.remove((name, chunk))
            carousel.sent(name, now)

    assert set(drain(carousel, now)) == owed
