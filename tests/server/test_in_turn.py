"""Writers in the order in which they came."""

from __future__ import annotations

import threading

from surefoot_server.in_turn import InTurn

LONG_S = 60.0


def queue_up(turns: InTurn, names: str, order: list[str]) -> list[threading.Thread]:
    """One thread for each name, each waiting before the next one comes; a capital is urgent."""

    def write(name: str) -> None:
        with turns.turn(LONG_S, urgent=name.isupper()) as held:
            order.append(name if held else f"{name} without")

    threads = []
    for name in names:
        threads.append(threading.Thread(target=write, args=(name,)))
        threads[-1].start()
        while len(turns._waiting) < len(threads):
            threading.Event().wait(0.001)
    return threads


def test_nobody_is_passed() -> None:
    turns, order = InTurn(), list[str]()

    with turns.turn(LONG_S) as held:
        threads = queue_up(turns, "abcdef", order)
        assert (held, order) == (True, [])
    for thread in threads:
        thread.join(LONG_S)

    assert order == list("abcdef")


def test_who_is_urgent_goes_before_all_that_wait() -> None:
    turns, order = InTurn(), list[str]()

    with turns.turn(LONG_S):
        threads = queue_up(turns, "abXc", order)
    for thread in threads:
        thread.join(LONG_S)

    assert order == list("Xabc")


def test_whoever_waited_in_vain_goes_on_and_takes_nobodys_turn() -> None:
    turns, order = InTurn(), list[str]()

    with turns.turn(LONG_S):
        with turns.turn(0.01) as held:
            assert not held
        threads = queue_up(turns, "a", order)
        assert order == []
    threads[0].join(LONG_S)

    assert order == ["a"]
    with turns.turn(0.0) as held:
        assert held


def test_a_writer_that_fails_passes_the_turn_on() -> None:
    turns = InTurn()

    try:
        with turns.turn(LONG_S):
            raise ValueError("no")
    except ValueError:
        pass

    with turns.turn(0.0) as held:
        assert held
