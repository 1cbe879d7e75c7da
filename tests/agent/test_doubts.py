"""A halt list that was refused waits for the root that may prove it: not for ever, and not in any number."""

from __future__ import annotations

import pytest

from surefoot_agent.doubts import MOST, Doubt, Doubts, read_halt
from surefoot_agent.results import HaltRead
from surefoot_shared.errors import UntrustedRelease
from tests.agent.fakes import FakeTrust


class Rolled(FakeTrust):
    def halt(self, metadata: bytes) -> tuple[int, tuple[str, ...], int]:
        raise UntrustedRelease("metadata_rollback", "It is older.")


def doubt(raw: bytes = b"list", root: int = 1) -> Doubt:
    return Doubt(raw, UntrustedRelease("metadata_untrusted", raw.decode()), root)


def test_a_list_of_nobody_known_is_doubted_with_the_root_of_that_moment() -> None:
    trust = FakeTrust()
    trust.halts[b"good"] = (3, ("a",))

    found = read_halt(trust, b"list")

    assert isinstance(found, Doubt)
    assert (found.raw, found.root, found.error.kind) == (b"list", 1, "metadata_untrusted")
    assert read_halt(trust, b"good") == HaltRead(3, ("a",))


def test_whatever_else_is_wrong_with_a_list_is_an_error_at_once() -> None:
    with pytest.raises(UntrustedRelease, match="older"):
        read_halt(Rolled(), b"list")


def test_only_a_newer_root_can_prove_it_and_it_is_taken_once() -> None:
    held = Doubts()
    held.hold(doubt())

    assert (held.provable(1), held.provable(2), held.provable(3), held.take_all()) == ((), (b"list",), (), ())


def test_one_that_comes_again_takes_no_room_and_one_too_many_finds_none() -> None:
    held = Doubts()

    assert all(held.hold(doubt(b"%d" % (number % MOST))) for number in range(2 * MOST))
    assert not held.hold(doubt(b"more"))
    assert len(held.take_all()) == MOST
