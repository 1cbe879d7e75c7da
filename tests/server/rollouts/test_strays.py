"""A device that committed the release and runs something else later: noticed once, decided once, never fought with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from surefoot_server.rollouts.strays import MOST, SETTLE_S
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_shared.messages import EventKind
from surefoot_shared.status import Outcome, RolloutState
from tests.server.rig import digest as digest_of
from tests.server.rig import event, hello, proof, runs
from tests.server.rollouts.fleet import POLICY, Fleet
from tests.server.rollouts.world import TWO_PHASES, World, kinds

DOWN = TWO_PHASES + "rollout: {intent: downgrade}\n"


@dataclass(frozen=True)
class Row:
    """c1 to c3 have committed it and c1 strays; then `history`: `tick S`, `act EVENT`, `claim`, `back`, `revert`."""

    name: str
    history: str
    decided: str
    reason: str
    policy: str = TWO_PHASES
    newer: bool = False
    tries: int = 0


ROWS = (
    Row("a reflashed device has its turn again", "tick 121", "Reconcile BeginBake Offer", "its next try (1 × strayed)"),
    Row("what it kept of a fall back has time to come first", "tick 60", "BeginBake", "have ended their attempt"),
    Row("a newer release from a stick is left alone", "tick 121", "Reconcile BeginBake", "have ended", newer=True),
    Row(
        "a downgrade takes a newer one back too",
        "tick 121",
        "Reconcile BeginBake Offer",
        "its next try",
        DOWN,
        newer=True,
    ),
    Row("a younger rollout is the newer word", "claim; tick 121", "Reconcile BeginBake", "have ended"),
    Row(
        "a device that forgets it at every start is let be", "tick 121", "Reconcile BeginBake", "have ended", tries=MOST
    ),
    Row("who runs it again by then is where it should be", "back; tick 121", "Reconcile BeginBake", "have ended"),
    Row(
        "a paused rollout decides it when it goes on",
        "act pause; tick 999; act resume; tick 0",
        "Reconcile BeginBake Offer",
        "its next try",
    ),
    Row("a halted rollout gives it to nobody", "act halt; tick 999", "", ""),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_history_leads_to_its_decisions(row: Row) -> None:
    world = World(row.policy)
    world.tick()
    world.commit("c1", "c2", "c3")
    world.stray("c1", newer=row.newer)
    world.put(replace(world.member("c1"), tries={"strayed": row.tries} if row.tries else {}))
    world.log.clear()

    for line in row.history.split("; "):
        verb, *words = line.split()
        match verb:
            case "tick":
                world.tick(float(words[0]))
            case "act":
                world.act(RolloutEvent(words[0]))
            case "claim":
                world.put(replace(world.member("c1"), claimed_by="r9"))
            case "back":
                world.put(replace(world.member("c1"), runs_release=True))

    assert [k for k in kinds(world.log) if k != "PassPhase"] == row.decided.split()
    assert row.reason in (world.log[-1].reason if world.log else "")
    assert world.tick() == []


def test_a_rollout_that_succeeded_still_looks_after_its_devices() -> None:
    world = World(TWO_PHASES, canaries=0, rest=3)
    world.tick()
    world.commit("r1", "r2", "r3")
    world.tick()
    world.tick(61)
    assert world.rollout is RolloutState.SUCCEEDED

    world.stray("r2")
    world.tick(SETTLE_S)

    assert world.member("r2").attempt is not None
    assert world.member("r2").attempt.outcome is None  # type: ignore[union-attr]


# --- on a real database


def test_a_reflashed_device_gets_the_release_of_the_rollout_it_belongs_to(fleet: Fleet) -> None:
    rollout = fleet.start(policy="phases: [{percent: 100, bake: 0s}]")
    fleet.commit(*fleet.names)
    fleet.tick()
    assert fleet.rollout(rollout).state == "succeeded"
    first = fleet.wish("cam-05")

    fleet.hello("cam-05", "app/0.1")
    fleet.tick(SETTLE_S + 20)

    assert (fleet.wish("cam-05").id != first.id, fleet.wish("cam-05").release_id) == (True, "app/1.1")
    assert fleet.rollout(rollout).tally == {"committed": 11}
    assert fleet.tick() == 0
    fleet.commit("cam-05")
    fleet.tick()
    assert fleet.rollout(rollout).tally == {"committed": 12}
    assert fleet.tick() == 0


def test_while_it_is_offline_it_waits_and_is_told_why(fleet: Fleet) -> None:
    fleet.start(policy="phases: [{percent: 100, bake: 0s}]")
    fleet.commit(*fleet.names)
    fleet.tick()
    fleet.hello("cam-05", "app/1.0")
    fleet.offline("cam-05")

    fleet.tick(SETTLE_S + 20)

    assert fleet.wished() == set()
    assert fleet.why("cam-05") == (
        "it had committed app/1.1 and ran something else since, so rollout r1 offers it again"
    )
    fleet.hello("cam-05", "app/1.0")
    fleet.tick()
    assert fleet.wished() == {"cam-05"}


def test_a_device_that_was_updated_from_a_stick_to_something_newer_keeps_it(fleet: Fleet) -> None:
    rollout = fleet.start("app/1.1", policy="phases: [{percent: 100, bake: 0s}]")
    fleet.commit(*fleet.names)
    fleet.tick()

    fleet.hello("cam-05", "app/1.2")
    fleet.tick(SETTLE_S + 20)

    assert fleet.wished() == set()
    (said,) = [x for x in fleet.decisions(rollout) if x.kind == "reconcile"]
    assert "a newer release, which it keeps" in said.reason
    assert fleet.tick() == 0


def test_what_a_person_ordered_since_is_no_straying(fleet: Fleet) -> None:
    fleet.start(policy="phases: [{percent: 100, bake: 0s}]")
    fleet.commit(*fleet.names)
    fleet.tick()
    fleet.rig.assign("cam-05", "app/1.2")
    fleet.hello("cam-05", "app/1.2")

    fleet.tick(SETTLE_S + 20)

    assert fleet.wished() == set()


def test_a_device_that_fell_back_has_reverted_and_is_not_offered_it_as_a_stray(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.hello(device, "app/1.0")

    fleet.rig.events(
        device,
        event(device, 99, EventKind.FELL_BACK, component="app", proof=proof(digest_of("app/1.0"))),
        now=fleet.now,
    )
    fleet.tick(SETTLE_S + 20)

    assert fleet.wish(device).outcome == Outcome.REVERTED.value
    assert fleet.rollout(rollout).tally["reverted"] == 1
    assert [x.kind for x in fleet.decisions(rollout) if x.device_id == device] == ["offer"]


def test_a_device_that_fell_back_is_offered_it_again_where_the_policy_gives_tries(fleet: Fleet) -> None:
    rollout = fleet.start(policy=POLICY + "retry: {switch: 1, backoff: 1m}\n")
    device = fleet.in_phase(rollout, 0)[0]
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.hello(device, "app/1.0")
    fleet.rig.events(device, event(device, 99, EventKind.FELL_BACK, component="app"), now=fleet.now)

    fleet.tick(80)

    assert device in fleet.wished()
    assert fleet.rollout(rollout).tally == {"committed": 2}


def test_hellos_that_say_the_same_again_mark_nothing(fleet: Fleet) -> None:
    fleet.start()
    device = sorted(fleet.wished())[0]
    fleet.commit(device)
    with fleet.rig.db.write() as session:
        fleet.rig.devices.hello(session, hello(device, 7, components=(runs("app/1.1"),)), fleet.now)

    assert fleet.wish(device).strayed_at is None
