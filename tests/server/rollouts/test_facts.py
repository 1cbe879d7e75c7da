"""Facts and the clock: who is asleep, silent and due, and what time counts."""

from __future__ import annotations

from datetime import timedelta

from surefoot_server.rollouts.facts import Outages, Watch
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rollouts.world import START, World


def watch(world: World) -> Watch:
    return Watch(world.facts, world.now, world.policy.timeouts.asleep_after_s)


def test_time_in_an_outage_does_not_count() -> None:
    down = Outages(((START + timedelta(seconds=10), START + timedelta(seconds=40)),))

    assert down.elapsed_s(START, START + timedelta(seconds=60)) == 30
    assert down.elapsed_s(START + timedelta(seconds=20), START + timedelta(seconds=60)) == 20
    assert down.elapsed_s(START, START + timedelta(seconds=20)) == 10
    assert down.elapsed_s(START + timedelta(seconds=50), START + timedelta(seconds=60)) == 10


def test_a_clock_that_went_back_gives_no_negative_time() -> None:
    assert Outages().elapsed_s(START, START - timedelta(seconds=5)) == 0


def test_silence_counts_from_the_last_word_or_step_and_not_while_connected() -> None:
    world = World()
    world.tick()
    world.now += timedelta(seconds=30)
    world.state("c1", AttemptState.DOWNLOADING)
    world.offline("c1")
    world.now += timedelta(seconds=45)
    member = world.member("c1")
    assert member.attempt is not None

    assert watch(world).silent_s(member, member.attempt) == 45
    assert watch(world).silent_s(world.member("c2"), member.attempt) == 0


def test_the_sleeping_and_those_ended_by_order_are_not_due() -> None:
    world = World()
    world.tick()
    world.offline("c1")
    world.end(Outcome.CANCELLED, "c2")
    world.now += timedelta(seconds=61)

    counts = watch(world).counts(0)

    assert (counts.members, counts.offered, counts.due) == (3, 3, 1)


def test_whoever_switched_is_never_asleep() -> None:
    world = World()
    world.tick()
    world.state("c1", AttemptState.SWITCHING)
    world.offline("c1")
    world.now += timedelta(days=1)
    member = world.member("c1")
    assert member.attempt is not None

    assert not watch(world).asleep(member, member.attempt)


def test_an_attempt_of_an_older_phase_that_ends_now_counts_now() -> None:
    world = World()
    world.tick()
    world.state("c3", AttemptState.DOWNLOADING)
    world.offline("c3")
    world.commit("c1", "c2")
    world.tick(61)
    world.tick(61)
    assert world.facts.phase == 1

    world.online("c3")
    world.end(Outcome.REVERTED, "c3")

    assert watch(world).counts(1).of(Outcome.REVERTED) == 1
    assert watch(world).counts(1).of(Outcome.COMMITTED) == 0
