from __future__ import annotations

import threading

from surefoot_agent.results import Fetched
from surefoot_agent.telling import PROGRESS_S, STILL_S, Telling
from surefoot_shared.errors import Unreachable

STOP = threading.Event()
PLAN = "It fetches about 1.0 MB: 1.0 MB patched."


def fetched(done: int, said: str = "") -> Fetched:
    return Fetched(STOP, done, 0 if said else 1000, said)


def test_bytes_are_told_by_tenths_or_after_a_while_with_the_sentence_that_stands() -> None:
    telling = Telling()
    telling.began(0.0)

    assert telling.of(fetched(0, PLAN), 0.0) == (PLAN, None)
    assert telling.of(fetched(50), 1.0) is None
    assert telling.of(fetched(120), 1.0) == (PLAN, 0.12)
    assert telling.of(fetched(130), 2.0) is None
    assert telling.of(fetched(130), 1.0 + PROGRESS_S) == (PLAN, 0.13)


def test_a_sentence_does_not_take_the_bytes_back() -> None:
    telling = Telling()
    telling.of(fetched(500), 0.0)

    assert telling.of(fetched(0, "A pack cannot be unpacked."), 0.1) == ("A pack cannot be unpacked.", 0.5)


def test_a_failure_is_told_once_and_now_and_then_that_it_still_is() -> None:
    telling, slow = Telling(), Unreachable("too_slow", "The source fell silent.")

    first = telling.broke(slow, 0.0)

    assert first == ("The source fell silent. What was fetched is kept, and it is tried again.", None)
    assert telling.broke(slow, 10.0) is None
    assert telling.broke(slow, STILL_S + 1) == first


def test_another_failure_and_one_after_bytes_came_are_told_at_once() -> None:
    telling = Telling()
    telling.broke(Unreachable("too_slow", "Slow."), 0.0)

    busy = telling.broke(Unreachable("busy", "The source asks to come back later (503).", retry_after_s=17.0), 1.0)
    telling.of(fetched(500), 2.0)

    assert busy is not None
    assert busy[0] is not None
    assert busy[0].startswith("The source asks to come back later (503). It asks to wait 17 s.")
    assert telling.broke(Unreachable("busy", "Again."), 3.0) is not None


def test_nothing_in_all_is_no_progress() -> None:
    assert Telling().of(Fetched(STOP, 0, 0), 99.0) is None
