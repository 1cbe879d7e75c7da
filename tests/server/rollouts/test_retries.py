"""Another try after a failure that passes: which failures get one, when it comes, and what it counts for until then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.retries import CLASS_OF, KINDS_OF, Failure, Retries, again, words
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_shared.errors import KINDS, Invalid
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState
from tests.server.rollouts.fleet import POLICY, Fleet
from tests.server.rollouts.world import TWO_PHASES, World, kinds

PLAIN = (
    TWO_PHASES.replace("step: 10m", "step: 3h").replace("max_wait: 1h", "max_wait: 4h")
    + "on_fail: {committed_devices: keep}\n"
)
TRIES = PLAIN + "retry: {download: 2, storage: 1, stalled: 1, switch: 1, backoff: 10m, longest: 30m}\n"


@dataclass(frozen=True)
class Row:
    """`history` is played as `end OUTCOME KIND NAMES`, `tick S`, `down S`, `offline NAMES`, `act EVENT`."""

    name: str
    policy: str
    history: str
    decided: str
    reason: str
    phase: PhaseState = PhaseState.OFFERING


ROWS = (
    Row(
        "a download that failed counts for nothing while it has a try left",
        TRIES,
        "end failed artifact_corrupt c1 c2; tick 0",
        "Retry Retry",
        "its download failed (artifact_corrupt); retry 1 of 2, at the earliest in 8 min",
    ),
    Row(
        "the try comes after its back-off and not before",
        TRIES,
        "end failed artifact_corrupt c1; tick 0; tick 440; tick 170",
        "Retry Offer",
        "its next try (1 × download)",
    ),
    Row(
        "the last try counts as what it is, and two of three are too many",
        TRIES,
        "end failed no_space c1 c2; tick 0; tick 600; end failed no_space c1 c2; tick 0",
        "Retry Retry Offer Offer FailPhase Withdraw",
        "it has not switched",
        PhaseState.FAILED,
    ),
    Row(
        "without a policy of retries a failure counts at once",
        PLAIN,
        "end failed artifact_corrupt c1 c2; tick 0",
        "FailPhase Withdraw",
        "it has not switched",
        PhaseState.FAILED,
    ),
    Row(
        "a release that a health check turned down is evidence and gets no second try",
        TRIES,
        "end reverted health_failed c1 c2; tick 0",
        "FailPhase Withdraw",
        "it has not switched",
        PhaseState.FAILED,
    ),
    Row(
        "a release that nobody looked at may be tried again",
        TRIES,
        "end reverted no_verdict c1 c2; tick 0",
        "Retry Retry",
        "its switch did not come about (no_verdict); retry 1 of 1",
    ),
    Row(
        "the server's own refusals count for nothing, however often",
        PLAIN,
        "end failed busy c1; tick 0; tick 700; end failed too_many c1; tick 0; tick 1300; end failed busy c1; tick 0",
        "Retry Offer Retry Offer Retry",
        "the server had no time for it (busy); that counts for nothing",
    ),
    Row(
        "a download that broke while the server was down uses up no try",
        TRIES,
        "down 600; tick 0; end failed artifact_missing c1; tick 0",
        "Retry",
        "that counts for nothing, since the server was away or refused it",
    ),
    Row(
        "who is connected and gets nowhere is given up and tried again in the same look",
        TRIES,
        "state downloading c1; end committed - c2 c3; tick 10801",
        "TimeOut Retry",
        "it got nowhere (step_timeout); retry 1 of 1",
    ),
    Row(
        "the phase waits for a try that is to come, and bakes after it",
        TRIES,
        "end committed - c1 c2; end failed artifact_corrupt c3; tick 0; tick 600; end committed - c3; tick 0",
        "Retry Offer BeginBake",
        "all 3 devices that are awake have ended their attempt",
        PhaseState.BAKING,
    ),
    Row(
        "tries that end after the longest wait leave the phase to a person",
        TRIES.replace("backoff: 10m, longest: 30m", "backoff: 9h, longest: 9h"),
        "end committed - c1 c2; end failed artifact_corrupt c3; tick 0; tick 14400",
        "Retry HoldPhase",
        "1 device is still at it after 4 h",
        PhaseState.HELD,
    ),
    Row(
        "a stopped rollout tries nothing again",
        TRIES,
        "end failed artifact_corrupt c1; act halt; tick 0; tick 4000",
        "Withdraw Withdraw",
        "it has not switched",
    ),
    Row(
        "a paused one keeps the try for later",
        TRIES,
        "act pause; end failed artifact_corrupt c1; tick 0; tick 4000; act resume; tick 0",
        "Retry Offer",
        "its next try (1 × download)",
    ),
)


def play(world: World, line: str) -> None:
    verb, *words = line.split()
    match verb:
        case "tick":
            world.tick(float(words[0]))
        case "end":
            kind = None if words[1] == "-" else words[1]
            world.end(Outcome(words[0]), *words[2:], reason=kind)
        case "state":
            for name in words[1:]:
                world.state(name, AttemptState(words[0]))
        case "act":
            world.act(RolloutEvent(words[0]))
        case "down":
            world.down(float(words[0]))
        case _:
            raise AssertionError(verb)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_history_leads_to_its_decisions(row: Row) -> None:
    world = World(row.policy)
    world.tick()
    world.log.clear()

    for line in row.history.split(";"):
        play(world, line)

    assert kinds(world.log) == row.decided.split()
    assert row.reason in world.log[-1].reason
    assert world.phase(0) is row.phase


def test_every_further_wait_is_twice_as_long_up_to_the_longest() -> None:
    world, waits = World(TRIES.replace("download: 2", "download: 9")), []
    world.tick()
    for _ in range(4):
        world.end(Outcome.FAILED, "c1", reason="artifact_corrupt")
        waits += [x.wait_s for x in world.tick() if isinstance(x, d.Retry)]
        world.tick(1801)

    assert [450 <= waits[0] <= 600, 900 <= waits[1] <= 1200, 1350 <= waits[2] <= 1800] == [True] * 3
    assert 1350 <= waits[3] <= 1800


def test_devices_that_failed_together_do_not_come_back_together() -> None:
    world = World(TRIES, canaries=12)
    world.tick()
    world.end(Outcome.FAILED, *(f"c{i}" for i in range(1, 13)), reason="artifact_corrupt")

    waits = {x.wait_s for x in world.tick() if isinstance(x, d.Retry)}

    assert len(waits) >= 10


def test_who_is_wanted_elsewhere_or_goes_back_is_not_tried_again() -> None:
    world = World(TRIES)
    world.tick()
    world.end(Outcome.FAILED, "c1", "c2", reason="artifact_corrupt")
    world.put(replace(world.member("c1"), claimed_by="r9"))
    world.put(replace(world.member("c2"), revert=world.member("c2").attempt))

    assert list(again(world.policy.retry, world.facts, world.now)) == []


def test_an_outage_that_ended_long_before_the_failure_explains_nothing() -> None:
    world = World(TRIES)
    world.tick()
    world.down(600)
    world.now += timedelta(minutes=30)
    world.end(Outcome.FAILED, "c1", reason="artifact_corrupt")

    (retry,) = again(world.policy.retry, world.facts, world.now)

    assert retry.failure == "download"


def test_every_kind_is_one_that_devices_report_and_in_one_class() -> None:
    assert set(CLASS_OF) <= set(KINDS)
    assert sum(len(kinds) for kinds in KINDS_OF.values()) == len(CLASS_OF)
    assert Retries().kinds == KINDS_OF[Failure.SERVER]
    assert words({"storage": 1, "download": 2}) == "2 × download, 1 × storage"


def test_a_back_off_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Invalid, match="the longest back-off is shorter than the first"):
        parse("retry: {backoff: 1h, longest: 30m}")


# --- on a real database

AGAIN = (
    POLICY.replace("max_wait: 1h", "max_wait: 1h, objectives: [{metric: failed, fail_if_surely_above: 90%}]")
    + "retry: {download: 1, backoff: 10m}\n"
)


def test_a_failure_leaves_the_counters_and_comes_back_as_a_new_assignment(fleet: Fleet) -> None:
    rollout = fleet.start(policy=AGAIN)
    device, *others = fleet.in_phase(rollout, 0)
    first = fleet.wish(device)
    fleet.fail("artifact_corrupt", device)
    fleet.commit(*others)

    fleet.tick()

    assert fleet.rollout(rollout).tally == {"committed": 2}
    assert fleet.phases(rollout)[0].state == "offering"
    why = fleet.why(device)
    assert why is not None
    assert why.startswith(f"its next try of rollout {rollout} of app/1.1 begins at 2026-03-01 12:0")
    assert why.endswith("so far it was tried again 1 × download")
    fleet.tick(620)
    assert fleet.wish(device).id != first.id
    fleet.fail("artifact_corrupt", device)
    fleet.tick()
    assert fleet.rollout(rollout).tally == {"committed": 2, "failed": 1}
    assert [x.kind for x in fleet.decisions(rollout) if x.device_id == device] == ["offer", "retry", "offer"]


def test_a_device_that_backs_off_keeps_nobody_else_from_their_turn(fleet: Fleet) -> None:
    rollout = fleet.start(policy=AGAIN + "limits: {max_concurrent: 1}\n")
    (first,) = fleet.wished()
    fleet.fail("artifact_corrupt", first)

    fleet.tick()

    assert len(fleet.wished()) == 1
    assert fleet.wished() != {first}
    assert fleet.rollout(rollout).state == RolloutState.RUNNING.value


def test_a_person_who_lets_it_try_again_gives_it_all_its_tries_back(fleet: Fleet) -> None:
    rollout = fleet.start(policy=AGAIN)
    device = fleet.in_phase(rollout, 0)[0]
    fleet.fail("artifact_corrupt", device)
    fleet.tick(620)
    fleet.fail("artifact_corrupt", device)
    fleet.tick()
    assert fleet.members(rollout)[device].tries == {"download": 1}

    fleet.service.retry(rollout, "bob", fleet.now)

    assert fleet.members(rollout)[device].tries == {}
    assert fleet.members(rollout)[device].retry_at is None
