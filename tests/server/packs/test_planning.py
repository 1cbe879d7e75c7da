"""What most devices need is made first; what nobody can use goes first."""

from __future__ import annotations

from surefoot_server.packs.planning import Kept, Pair, next_pair, too_many, useful, useless

A, B, C, NEW = "a" * 64, "b" * 64, "c" * 64, "d" * 64
RUNNING = {("app", A): 3, ("app", B): 40, ("app", C): 1, ("model", A): 9}


def test_every_release_that_devices_run_leads_to_the_aim_and_so_does_nothing_at_all() -> None:
    assert useful(RUNNING, {("app", NEW)}, {A, B, NEW}) == {Pair(A, NEW): 3, Pair(B, NEW): 40, Pair("", NEW): 1}


def test_devices_that_run_the_aim_need_no_pack() -> None:
    assert useful({("app", NEW): 5}, {("app", NEW)}, {NEW}) == {Pair("", NEW): 0}


def test_the_pair_that_most_devices_wait_for_is_next_and_no_pair_twice() -> None:
    pairs = useful(RUNNING, {("app", NEW)}, {A, B, C, NEW})

    order = []
    while (pair := next_pair(pairs, order)) is not None:
        order.append(pair)

    assert order == [Pair(B, NEW), Pair(A, NEW), Pair(C, NEW), Pair("", NEW)]


def test_packs_of_a_release_that_nobody_is_sent_to_any_more_are_useless() -> None:
    kept = [Kept(Pair(A, B), 10), Kept(Pair(A, NEW), 10)]

    assert useless(kept, {Pair(A, NEW): 3}) == [Pair(A, B)]


def test_where_room_is_short_those_that_fewest_devices_can_use_go_first() -> None:
    pairs = {Pair(A, NEW): 3, Pair(B, NEW): 40, Pair(C, NEW): 3}
    kept = [Kept(Pair(A, NEW), 10), Kept(Pair(B, NEW), 50), Kept(Pair(C, NEW), 20)]

    assert too_many(kept, pairs, 80) == []
    assert too_many(kept, pairs, 70) == [Pair(C, NEW)]
    assert too_many(kept, pairs, 50) == [Pair(C, NEW), Pair(A, NEW)]
