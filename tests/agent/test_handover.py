"""When a renewal may act: never while an update is uncommitted, and never without a way back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from surefoot_agent import handover
from surefoot_agent.bench import Bench, Done
from surefoot_agent.handover import FIRST_S, GIVE_UP, LOOK, Handover
from surefoot_agent.lanes import InlineLanes
from surefoot_agent.renew import POLL_S, SOON_S, TRY_S, Confirmed, Prepared
from surefoot_agent.timers import Timers


@dataclass
class Pairs:
    """A renewal that remembers what it was told; the files themselves are tested in test_renew."""

    pair: str = "device"
    on_trial: bool = False
    ready: bool = True
    acts: list[str] = field(default_factory=list)

    def prepare(self) -> Prepared:
        self.acts.append("prepare")
        return Prepared(self.ready and not self.on_trial)

    def adopt(self) -> None:
        self.acts.append("adopt")
        self.pair, self.on_trial = "device-2", True

    def confirm(self) -> Confirmed:
        self.acts.append("confirm")
        self.on_trial = False
        return Confirmed()

    def go_back(self) -> None:
        self.acts.append("go back")
        self.pair, self.on_trial = "device", False


class Loop:
    """A runner with nothing else to do."""

    def __init__(self, pairs: Pairs | None) -> None:
        self.now, self.idle, self.pairs = 0.0, True, pairs
        self.timers = Timers(lambda: self.now)
        self.bench = Bench(InlineLanes(), self.post)
        self.handover = Handover(pairs, self.bench, self.timers, lambda: self.idle, lambda: 0.5)  # type: ignore[arg-type]
        self.handover.start()

    def post(self, done: Done) -> None:
        assert isinstance(done.result, (Prepared, Confirmed))
        self.handover.done(done.result)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        while (name := self.timers.take_due()) is not None:
            assert name in handover.TIMERS
            self.handover.due(name)


@pytest.fixture
def pairs() -> Pairs:
    return Pairs()


def test_a_new_pair_is_prepared_adopted_and_confirmed_by_a_connection_with_it(pairs: Pairs) -> None:
    loop = Loop(pairs)

    loop.pass_time(FIRST_S)
    loop.handover.connected("device-2")
    loop.pass_time(TRY_S)

    assert pairs.acts == ["prepare", "adopt", "confirm"]


def test_a_connection_that_was_made_with_the_old_pair_confirms_nothing(pairs: Pairs) -> None:
    loop = Loop(pairs)
    loop.pass_time(FIRST_S)

    loop.handover.connected("device")

    assert pairs.acts == ["prepare", "adopt"]


def test_a_pair_that_does_not_get_in_is_given_up(pairs: Pairs) -> None:
    loop = Loop(pairs)
    loop.pass_time(FIRST_S)

    loop.pass_time(TRY_S)

    assert pairs.acts == ["prepare", "adopt", "go back"]


def test_nothing_begins_while_an_update_is_going_on(pairs: Pairs) -> None:
    loop = Loop(pairs)
    loop.idle = False

    loop.pass_time(FIRST_S)
    assert pairs.acts == []

    loop.idle = True
    loop.pass_time(SOON_S)
    assert pairs.acts == ["prepare", "adopt"]


def test_a_pair_that_came_after_an_update_began_waits_until_it_is_committed(pairs: Pairs) -> None:
    loop = Loop(pairs)
    loop.idle = False
    loop.handover.done(Prepared(True))
    assert pairs.acts == []

    loop.idle = True
    loop.pass_time(SOON_S)

    assert pairs.acts == ["prepare", "adopt"]


def test_a_start_in_the_middle_of_a_trial_goes_on_with_it(pairs: Pairs) -> None:
    pairs.pair, pairs.on_trial = "device-2", True
    loop = Loop(pairs)

    loop.pass_time(TRY_S)

    assert "go back" in pairs.acts


def test_a_certificate_that_is_young_is_looked_at_again_within_two_hours(pairs: Pairs) -> None:
    pairs.ready = False
    loop = Loop(pairs)

    loop.pass_time(FIRST_S)
    loop.pass_time(2 * POLL_S)

    assert pairs.acts == ["prepare", "prepare"]


def test_without_a_renewal_nothing_is_timed() -> None:
    loop = Loop(None)

    assert not loop.timers.waits(LOOK)
    assert not loop.timers.waits(GIVE_UP)
    loop.handover.connected("device")
