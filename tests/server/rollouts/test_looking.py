"""What the engine looks at decides as much as everybody would, and the counters are what counting anew gives."""

from __future__ import annotations

import contextlib
import random

import pytest

from surefoot_server.rollouts import looking, repository, views
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts.engine import decide
from surefoot_server.rollouts.facts import Facts, Watch
from surefoot_shared.errors import Conflict
from surefoot_shared.messages import EventKind
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import event
from tests.server.rollouts.fleet import POLICY, Fleet

KINDS = (Outcome.COMMITTED, Outcome.COMMITTED, Outcome.COMMITTED, Outcome.REVERTED, Outcome.FAILED, Outcome.REFUSED)
LENIENT = POLICY.replace("max_wait: 1h", "max_wait: 1h, objectives: [{metric: failed, fail_if_surely_above: 90%}]")


def both(fleet: Fleet, rollout: str) -> tuple[Facts, Facts]:
    """What is looked at, and everybody."""
    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        policy = policies.parse(row.policy)
        return looking.facts(session, row, policy, fleet.now), repository.facts(session, row, fleet.now)


def agree(fleet: Fleet, rollout: str) -> None:
    with fleet.rig.db.read() as session:
        policy = policies.parse(repository.rollout(session, rollout).policy)
    some, everybody = both(fleet, rollout)
    for index in range(len(some.phases)):
        counts = [Watch(f, fleet.now, policy.timeouts.asleep_after_s).counts(index) for f in (some, everybody)]
        assert counts[0] == counts[1]
    decided = [decide(policy, f, fleet.now) for f in (some, everybody)]
    assert decided[0] == decided[1]
    assert_shown_as_everybody(fleet, rollout, everybody)


def assert_shown_as_everybody(fleet: Fleet, rollout: str, everybody: Facts) -> None:
    """What counts of rows say of a rollout is what reading everybody says."""
    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        policy, phases = policies.parse(row.policy), repository.phases(session, rollout)
        shown = views.rollout_out(session, row, fleet.now)
    watch = Watch(everybody, fleet.now, policy.timeouts.asleep_after_s)
    heads = views.of_everybody(watch)
    assert shown.phases == [views.phase_out(policy, watch, phase, heads[phase.index]) for phase in phases]
    attempts = [member.attempt for member in everybody.members if member.attempt]
    assert shown.outcomes == {o.value: n for o in Outcome if (n := sum(1 for a in attempts if a.outcome is o))}
    back = [member.revert for member in everybody.members if member.revert]
    assert shown.taken_back == sum(1 for each in back if each.outcome is Outcome.COMMITTED)
    assert (shown.members, shown.waiting) == (len(everybody.members), sum(1 for m in everybody.members if m.waiting))


def test_only_who_is_at_work_or_next_is_looked_at(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.tick()

    some, everybody = both(fleet, rollout)

    assert some.members == ()
    assert some.phases[0].ended == {Outcome.COMMITTED: len(fleet.in_phase(rollout, 0))}
    assert len(everybody.members) == 12
    agree(fleet, rollout)


def test_what_ended_since_the_last_look_is_seen_before_any_counter_has_it(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.end(Outcome.REVERTED, *fleet.in_phase(rollout, 0)[:1])

    some, _ = both(fleet, rollout)

    assert [m.attempt.outcome for m in some.members if m.attempt and m.attempt.outcome] == [Outcome.REVERTED]
    agree(fleet, rollout)


def test_a_late_word_of_a_lost_device_moves_from_one_counter_to_the_other(fleet: Fleet) -> None:
    rollout = fleet.start(policy=LENIENT)
    gone = fleet.in_phase(rollout, 0)[0]
    fleet.state(gone, AttemptState.PROBATION)
    fleet.offline(gone)
    fleet.tick(900)
    assert fleet.rollout(rollout).tally == {"lost": 1}

    fleet.commit(gone)
    fleet.tick()

    assert fleet.rollout(rollout).tally == {"committed": 1}
    agree(fleet, rollout)


def test_a_device_that_falls_back_after_its_commit_counts_as_reverted(fleet: Fleet) -> None:
    rollout = fleet.start()
    first = fleet.in_phase(rollout, 0)
    fleet.commit(*first)
    fleet.tick()

    fleet.rig.events(first[0], event(first[0], 50, EventKind.FELL_BACK), now=fleet.now)
    fleet.tick(5)

    assert fleet.rollout(rollout).tally == {"committed": len(first) - 1, "reverted": 1}
    agree(fleet, rollout)


def test_what_a_halt_withdrew_is_in_no_counter_once_it_has_its_turn_again(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.service.halt(rollout, policies.CommittedDevices.KEEP, "bob", fleet.now)
    assert fleet.rollout(rollout).tally == {"cancelled": len(fleet.in_phase(rollout, 0))}

    fleet.service.resume(rollout, "bob", fleet.now)

    assert fleet.rollout(rollout).tally == {}
    agree(fleet, rollout)


def taken_over(fleet: Fleet, phase: int) -> tuple[str, str]:
    """A halted rollout of which a younger one took a phase, and that one; the older goes on."""
    rollout = fleet.start(policy=LENIENT)
    if phase:
        fleet.commit(*fleet.in_phase(rollout, 0))
        fleet.tick()
        fleet.tick(70)
    fleet.service.halt(rollout, policies.CommittedDevices.KEEP, "bob", fleet.now)
    younger = fleet.start(
        "app/1.2", cohort=" or ".join(f"device == '{name}'" for name in fleet.in_phase(rollout, phase))
    )
    fleet.service.resume(rollout, "bob", fleet.now)
    return rollout, younger


def test_a_first_phase_that_was_taken_over_is_held_at_once_with_who_has_it(fleet: Fleet) -> None:
    rollout, younger = taken_over(fleet, 0)

    fleet.tick(1)

    row = fleet.rollout(rollout)
    assert row.state == "held"
    assert f"all 3 devices of canary now belong to rollout {younger}, and no earlier phase has passed" in row.reason
    agree(fleet, rollout)


def test_a_last_phase_that_was_taken_over_ends_a_rollout_whose_canary_passed(fleet: Fleet) -> None:
    rollout, younger = taken_over(fleet, 1)

    fleet.tick(1)

    assert [phase.state for phase in fleet.phases(rollout)] == ["passed", "passed"]
    assert fleet.phases(rollout)[1].reason == f"all 9 devices of rest now belong to rollout {younger}"
    assert fleet.rollout(rollout).reason == "3 of 3 devices committed it; 9 were taken over by others"
    agree(fleet, rollout)


@pytest.mark.parametrize("seed", range(2))
def test_through_a_bad_day_the_counters_equal_a_recount(fleet: Fleet, seed: int) -> None:
    assert bad_day(fleet, seed, steps=12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
def test_through_many_bad_days_the_counters_equal_a_recount(fleet: Fleet, seed: int) -> None:
    assert bad_day(fleet, seed, steps=80)


def bad_day(fleet: Fleet, seed: int, steps: int) -> bool:
    """Devices end, sleep, fall silent and come back while a person interferes; after each step both views agree."""
    chance = random.Random(seed)
    rollout = fleet.start(policy=LENIENT)
    agree(fleet, rollout)
    for _ in range(steps):
        step(fleet, rollout, chance)
        agree(fleet, rollout)
    return True


def step(fleet: Fleet, rollout: str, chance: random.Random) -> None:
    open_ones = sorted(fleet.wished())
    match chance.randrange(8):
        case 0 | 1 | 2 if open_ones:
            fleet.end(chance.choice(KINDS), chance.choice(open_ones))
        case 3 if open_ones:
            fleet.state(chance.choice(open_ones), chance.choice([AttemptState.DOWNLOADING, AttemptState.PROBATION]))
        case 4:
            fleet.offline(chance.choice(fleet.names))
        case 5:
            name = chance.choice(fleet.names)
            fleet.hello(name, fleet.runs(name))
        case 6:
            act(fleet, rollout, chance)
        case _:
            fleet.tick(chance.choice([0, 20, 70, 400]))


def act(fleet: Fleet, rollout: str, chance: random.Random) -> None:
    service = fleet.service
    acts = [service.pause, service.resume, service.resume, service.revert]
    with contextlib.suppress(Conflict):  # not possible in this state, which the table says
        chance.choice(acts)(rollout, "bob", fleet.now)
