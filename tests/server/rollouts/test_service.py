"""Rollouts on a real database: what is offered, withdrawn, taken back, remembered and put on the halt list."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest
from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.rollouts import looking, repository
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_server.rollouts.service import RolloutService
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.status import AttemptState, Intent, Outcome
from tests.server.rig import Rig, digest
from tests.server.rollouts.fleet import POLICY, Fleet


def pass_canary(fleet: Fleet, rollout: str) -> None:
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.tick()
    fleet.tick(61)


def succeed(fleet: Fleet, release: str = "app/1.1") -> str:
    rollout = fleet.start(release)
    pass_canary(fleet, rollout)
    fleet.commit(*fleet.in_phase(rollout, 1))
    fleet.tick()
    fleet.tick(61)
    assert fleet.rollout(rollout).state == "succeeded"
    return rollout


def fail(fleet: Fleet, release: str = "app/1.2") -> str:
    """Two of the three canaries revert by themselves, the third has committed."""
    rollout = fleet.start(release)
    good, *bad = fleet.in_phase(rollout, 0)
    fleet.commit(good)
    fleet.end(Outcome.REVERTED, *bad)
    fleet.tick()
    return rollout


def test_the_first_phase_holds_one_device_of_every_hardware(fleet: Fleet) -> None:
    rollout = fleet.start()

    canaries = fleet.in_phase(rollout, 0)
    assert len(canaries) == 3
    assert {fleet.rig.device_row(c).hw for c in canaries} == {"jetson-orin", "rpi5", "x86-box"}
    assert fleet.wished() == set(canaries)


def test_a_good_release_reaches_everyone_phase_by_phase(fleet: Fleet) -> None:
    rollout = succeed(fleet)

    assert {fleet.runs(name) for name in fleet.names} == {"app/1.1"}
    assert [p.state for p in fleet.phases(rollout)] == ["passed", "passed"]
    assert [p.verdict for p in fleet.phases(rollout)] == ["pass", "pass"]


def test_a_bad_release_stops_by_itself_and_touches_nobody_else(fleet: Fleet) -> None:
    rollout = fail(fleet)
    canaries = fleet.in_phase(rollout, 0)

    good = next(c for c in canaries if fleet.wish(c).intent == "revert")
    assert fleet.rollout(rollout).state == "reverting"
    assert (fleet.wish(good).release_id, fleet.wish(good).intent) == ("app/1.0", Intent.REVERT.value)
    fleet.commit(good)
    fleet.tick()

    assert fleet.rollout(rollout).state == "failed"
    assert fleet.runs(good) == "app/1.0"
    assert fleet.wished("app/1.2") == set()
    others = set(fleet.names) - set(canaries)
    assert all(fleet.members(rollout)[name].assignment_id is None for name in others)


def test_a_failed_release_is_on_the_signed_halt_list_at_once(fleet: Fleet) -> None:
    fail(fleet)

    assert fleet.rig.state.online.halted() == (digest("app/1.2"),)
    assert fleet.rig.said.halts[-1] == fleet.rig.state.online.halt_list()


def test_a_release_on_the_halt_list_is_not_started_again_unless_the_halt_is_lifted(fleet: Fleet) -> None:
    fail(fleet)

    with pytest.raises(Conflict) as refused:
        fleet.start("app/1.2")
    assert refused.value.kind == "halted"
    fleet.commit(*fleet.wished("app/1.0"))
    fleet.tick()
    fleet.start("app/1.2", lift_halt=True)

    assert fleet.rig.state.online.halted() == ()


def test_a_verdict_is_stored_with_the_numbers_it_rests_on(fleet: Fleet) -> None:
    rollout = fail(fleet)

    phase = fleet.phases(rollout)[0]
    measure = next(m for m in phase.evidence["measures"] if m["metric"] == "reverted")
    assert phase.verdict == "fail"
    assert (measure["count"], measure["due"], measure["tripwire"]) == (2, 3, 2)
    assert phase.evidence["counts"]["outcomes"] == {"committed": 1, "reverted": 2}
    assert "2 of 3 devices reverted" in fleet.rollout(rollout).reason


def test_every_decision_and_act_has_its_audit_row_and_the_chain_is_whole(fleet: Fleet) -> None:
    rollout = fail(fleet)

    decided = [d.kind for d in fleet.decisions(rollout)]
    audited = [a.action.removeprefix("rollout.") for a in fleet.audited(rollout)]
    assert decided == audited
    assert decided[:2] == ["start", "start_phase"]
    assert "fail_phase" in decided
    with fleet.rig.db.read() as session:
        assert audit.verify(session).whole


def test_a_second_tick_without_news_changes_nothing(fleet: Fleet) -> None:
    rollout = fleet.start()
    version = fleet.rollout(rollout).version

    assert fleet.tick() == 0
    assert fleet.tick(5) == 0
    assert fleet.rollout(rollout).version == version


def test_many_engines_at_once_offer_each_device_once_and_advance_once(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.at += 1
    services = [_another_engine(fleet) for _ in range(4)]

    for _ in range(5):
        _all_at_once([lambda s=s: s.tick(fleet.now) for s in services])
        fleet.at += 20

    kinds = [d.kind for d in fleet.decisions(rollout)]
    assert kinds.count("begin_bake") == 1
    assert kinds.count("pass_phase") == 1
    assert kinds.count("offer") == 12


def _another_engine(fleet: Fleet) -> RolloutService:
    return RolloutService(fleet.rig.db, fleet.rig.devices, fleet.rig.state.online, fleet.rig.said.publish_halt)


def _all_at_once(calls: list[object]) -> None:
    barrier = threading.Barrier(len(calls))

    def run(call: object) -> None:
        barrier.wait()
        call()  # type: ignore[operator]

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_only_the_one_who_saw_the_newest_version_may_change_a_rollout(fleet: Fleet) -> None:
    rollout = fleet.rollout(fleet.start())

    with fleet.rig.db.write() as session:
        first = repository.claim(session, rollout.id, rollout.phase, rollout.version)
        second = repository.claim(session, rollout.id, rollout.phase, rollout.version)

    assert (first, second) == (True, False)


def test_an_engine_that_lost_the_race_changes_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = fleet.start()
    fleet.commit(*fleet.in_phase(rollout, 0))
    before = len(fleet.decisions(rollout))

    def lost(session: Session, rollout_id: str, phase: int, version: int) -> bool:
        return False

    monkeypatch.setattr(repository, "claim", lost)
    assert fleet.service.tick(fleet.now) == 0

    assert len(fleet.decisions(rollout)) == before


# --- acts


def test_a_halt_withdraws_all_that_has_not_switched_and_keeps_what_committed(fleet: Fleet) -> None:
    rollout = fleet.start()
    first, second, third = fleet.in_phase(rollout, 0)
    fleet.commit(first)
    fleet.state(second, AttemptState.DOWNLOADING)
    fleet.state(third, AttemptState.PROBATION)

    fleet.service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now, "smoke in Hanoi")

    assert fleet.rollout(rollout).state == "halted"
    assert fleet.wish(second).outcome == "cancelled"
    assert not fleet.wish(second).wanted
    assert fleet.wish(third).outcome is None
    assert fleet.runs(first) == "app/1.1"
    assert fleet.rig.state.online.halted() == (digest("app/1.1"),)
    assert "smoke in Hanoi" in fleet.rollout(rollout).reason


def test_a_halt_is_told_to_the_fleet_before_orders_are_taken_back_one_by_one(fleet: Fleet) -> None:
    rollout = fleet.start()
    waiting = fleet.in_phase(rollout, 0)
    seen: list[tuple[str, set[str]]] = []

    def publish(_raw: bytes) -> None:
        seen.append((fleet.rollout(rollout).state, fleet.wished("app/1.1")))

    service = RolloutService(fleet.rig.db, fleet.rig.devices, fleet.rig.state.online, publish)
    service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)

    assert seen == [("halted", set(waiting))]
    assert fleet.wished("app/1.1") == set()


def test_a_halt_that_the_engine_decides_on_goes_out_before_what_follows_from_it(fleet: Fleet) -> None:
    rollout = fleet.start()
    first, second, third = fleet.in_phase(rollout, 0)
    fleet.end(Outcome.REVERTED, first, second)
    seen: list[set[str]] = []
    service = RolloutService(
        fleet.rig.db, fleet.rig.devices, fleet.rig.state.online, lambda _raw: seen.append(fleet.wished("app/1.1"))
    )

    service.tick(fleet.now)

    assert len(seen) == 1
    assert third in seen[0]
    assert fleet.wished("app/1.1") == set()


def test_a_server_that_died_after_the_halt_list_takes_the_orders_back_later(fleet: Fleet) -> None:
    rollout = fleet.start()

    def crash(_raw: bytes) -> None:
        raise OSError("power cut")

    service = RolloutService(fleet.rig.db, fleet.rig.devices, fleet.rig.state.online, crash)
    with pytest.raises(OSError, match="power cut"):
        service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)
    assert fleet.wished("app/1.1") == set(fleet.in_phase(rollout, 0))

    _another_engine(fleet).tick(fleet.now)

    assert fleet.wished("app/1.1") == set()
    assert fleet.rig.state.online.halted() == (digest("app/1.1"),)


def test_a_halt_list_that_cannot_be_written_leaves_no_order_with_a_device(fleet: Fleet) -> None:
    rollout = fleet.start()
    service = RolloutService(fleet.rig.db, fleet.rig.devices, _Broken(), lambda _raw: None)
    with pytest.raises(OSError, match="power cut"):
        service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)

    with pytest.raises(OSError, match="power cut"):
        service.tick(fleet.now)

    assert fleet.wished("app/1.1") == set()


def test_what_a_crash_left_to_say_is_said_before_the_engine_looks_at_anything(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = fleet.start()
    broken = RolloutService(fleet.rig.db, fleet.rig.devices, _Broken(), lambda _raw: None)
    with pytest.raises(OSError, match="power cut"):
        broken.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)

    def bug(*_: object) -> None:
        raise ValueError("a rollout that nobody can read")

    monkeypatch.setattr(repository, "to_look_at", bug)
    with pytest.raises(ValueError, match="nobody can read"):
        fleet.service.tick(fleet.now)

    assert fleet.rig.state.online.halted() == (digest("app/1.1"),)


def test_a_start_tells_what_the_database_says_and_not_the_list_that_was_signed_last(fleet: Fleet) -> None:
    rollout = fleet.start()
    lists = _OwnList()
    lists.halt(["stale"], None)
    told = list[bytes]()
    fleet.service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)
    started = RolloutService(fleet.rig.db, fleet.rig.devices, lists, told.append)

    started.sync_halts(fleet.now, again=True)
    started.sync_halts(fleet.now)
    started.sync_halts(fleet.now, again=True)

    assert told == [digest("app/1.1").encode()] * 2


def test_a_halt_is_told_again_where_another_server_had_lifted_what_this_one_said(fleet: Fleet) -> None:
    """Each server has a list of its own, and only the one that leads looks at the database every second."""
    rollout, told = fleet.start(), list[bytes]()
    elsewhere = RolloutService(fleet.rig.db, fleet.rig.devices, _OwnList(), told.append)
    elsewhere.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)
    fleet.tick(1)
    fleet.service.resume(rollout, "bob", fleet.now)

    elsewhere.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)

    assert told == [digest("app/1.1").encode()] * 2


def test_a_halt_is_not_refused_because_an_engine_changed_the_rollout_meanwhile(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout, claim = fleet.start(), repository.claim
    lost = iter([False, False])
    monkeypatch.setattr(repository, "claim", lambda *given: next(lost, True) and claim(*given))

    fleet.service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)

    assert fleet.rollout(rollout).state == "halted"
    assert [d.kind for d in fleet.decisions(rollout)].count("halt") == 1


def test_a_resume_that_was_outrun_is_for_a_person_to_repeat(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was faster may have halted it: to go on after that is another decision."""
    rollout = fleet.start()
    fleet.service.pause(rollout, "bob", fleet.now)
    lost = iter([False])
    monkeypatch.setattr(repository, "claim", lambda *_: next(lost))

    with pytest.raises(Conflict, match="changed by someone else"):
        fleet.service.resume(rollout, "bob", fleet.now)

    assert fleet.rollout(rollout).state == "paused"


def test_orders_of_a_large_fleet_are_taken_back_a_part_at_each_look(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = fleet.start()
    waiting = fleet.in_phase(rollout, 0)
    monkeypatch.setattr(looking, "AT_ONCE", 2)

    fleet.service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)
    assert len(fleet.wished("app/1.1")) == len(waiting) - 2
    fleet.service.tick(fleet.now)

    assert fleet.wished("app/1.1") == set()


def test_orders_that_no_halt_list_stops_are_taken_back_at_once_however_many(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = fleet.start()
    assert len(fleet.in_phase(rollout, 0)) > 2
    monkeypatch.setattr(looking, "AT_ONCE", 2)

    fleet.service.cancel(rollout, "bob", fleet.now)

    assert fleet.wished("app/1.1") == set()


def test_a_halt_with_revert_takes_it_back_from_all_that_have_it(fleet: Fleet) -> None:
    rollout = fleet.start()
    first, second, third = fleet.in_phase(rollout, 0)
    fleet.commit(first)
    fleet.state(second, AttemptState.DOWNLOADING)
    fleet.state(third, AttemptState.PROBATION)

    fleet.service.halt(rollout, CommittedDevices.REVERT, "bob", fleet.now)

    assert fleet.rollout(rollout).state == "reverting"
    assert fleet.wished("app/1.0") == {first, third}
    assert fleet.wish(second).outcome == "cancelled"


def test_resuming_a_halt_lifts_it_and_offers_again_what_was_withdrawn(fleet: Fleet) -> None:
    rollout = fleet.start()
    canaries = fleet.in_phase(rollout, 0)
    fleet.service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)
    assert fleet.wished() == set()

    fleet.service.resume(rollout, "bob", fleet.now)

    assert fleet.rollout(rollout).state == "running"
    assert fleet.wished() == set(canaries)
    assert fleet.rig.state.online.halted() == ()


def test_a_device_that_returns_from_sleep_never_starts_a_halted_release(fleet: Fleet) -> None:
    rollout = fleet.start()
    sleeper = fleet.in_phase(rollout, 1)[0]
    fleet.offline(sleeper)
    fleet.service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)

    fleet.hello(sleeper, "app/1.0")
    fleet.tick(1000)

    assert fleet.members(rollout)[sleeper].assignment_id is None


def test_a_pause_offers_nothing_new_and_a_resume_goes_on(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.service.pause(rollout, "bob", fleet.now)
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.tick(600)
    assert fleet.phases(rollout)[0].state == "offering"

    fleet.service.resume(rollout, "bob", fleet.now)
    fleet.tick(61)

    assert fleet.wished() == set(fleet.in_phase(rollout, 1))


def test_cancelling_withdraws_and_does_not_halt_the_release(fleet: Fleet) -> None:
    rollout = fleet.start()

    fleet.service.cancel(rollout, "bob", fleet.now)

    assert fleet.rollout(rollout).state == "cancelled"
    assert fleet.wished() == set()
    assert fleet.rig.state.online.halted() == ()
    assert fleet.rig.said.halts == []


def test_a_revert_after_success_takes_every_device_back_to_what_it_ran_before(fleet: Fleet) -> None:
    succeed(fleet, "app/1.1")
    second = succeed(fleet, "app/1.2")

    fleet.service.revert(second, "bob", fleet.now, "counts are wrong")
    assert fleet.wished("app/1.1") == set(fleet.names)
    fleet.commit(*fleet.names)
    fleet.tick()

    assert fleet.rollout(second).state == "failed"
    assert {fleet.runs(name) for name in fleet.names} == {"app/1.1"}


@pytest.mark.parametrize("act", ["pause", "resume", "cancel"])
def test_an_act_that_the_state_does_not_allow_is_refused_with_what_is_possible(fleet: Fleet, act: str) -> None:
    rollout = succeed(fleet)

    with pytest.raises(Conflict) as refused:
        getattr(fleet.service, act)(rollout, "bob", fleet.now)

    assert "succeeded" in refused.value.message
    assert "Possible now: halt, retry, revert" in refused.value.hint


def test_an_act_on_a_rollout_that_does_not_exist_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        fleet.service.pause("r99", "bob", fleet.now)


# --- silence and outages


def test_a_device_silent_after_the_switch_is_lost_keeps_its_wish_and_may_correct_it(fleet: Fleet) -> None:
    rollout = fleet.start(policy=POLICY + "on_fail: {halt: false, committed_devices: keep}\n")
    silent = fleet.in_phase(rollout, 0)[0]
    fleet.state(silent, AttemptState.PROBATION)
    fleet.offline(silent)

    fleet.tick(301)
    wish = fleet.wish(silent)
    assert (wish.outcome, wish.wanted) == ("lost", True)
    assert fleet.rollout(rollout).state == "failed"
    fleet.end(Outcome.REVERTED, silent)

    assert fleet.wish(silent).outcome == "reverted"


def test_nothing_is_lost_by_the_servers_own_absence(fleet: Fleet) -> None:
    rollout = fleet.start()
    silent = fleet.in_phase(rollout, 0)[0]
    fleet.state(silent, AttemptState.PROBATION)
    fleet.offline(silent)
    fleet.tick(100)

    fleet.at += 86_400
    restarted = _another_engine(fleet)
    restarted.tick(fleet.now)

    assert fleet.wish(silent).outcome is None
    assert fleet.rollout(rollout).state == "running"


def test_nothing_is_decided_while_the_broker_is_away(fleet: Fleet) -> None:
    rollout = fleet.start()
    silent = fleet.in_phase(rollout, 0)[0]
    fleet.state(silent, AttemptState.PROBATION)
    fleet.offline(silent)
    fleet.tick()

    for _ in range(10):
        fleet.at += 100
        assert fleet.service.tick(fleet.now, reachable=False) == 0
    fleet.service.tick(fleet.now)

    assert fleet.wish(silent).outcome is None


def test_a_device_that_claims_to_be_online_and_is_not_heard_gets_no_offer(fleet: Fleet) -> None:
    fleet.at += 3600
    for name in fleet.names[1:]:
        fleet.hello(name, "app/1.0")

    rollout = fleet.start(policy="phases: [{percent: 100, bake: 0s}]")

    assert fleet.wished() == set(fleet.names[1:])
    assert fleet.rollout(rollout).state == "running"


def test_a_restarted_server_goes_on_where_it_was(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.commit(*fleet.in_phase(rollout, 0))

    restarted = _another_engine(fleet)
    for _ in range(3):
        restarted.tick(fleet.now)
        fleet.at += 19
    assert fleet.phases(rollout)[0].state == "baking"
    fleet.at += 4
    restarted.tick(fleet.now)

    assert fleet.wished() == set(fleet.in_phase(rollout, 1))


def test_a_crash_between_the_verdict_and_the_halt_list_is_made_up_for(fleet: Fleet) -> None:
    def crash(raw: bytes) -> None:
        raise OSError("power cut")

    halting = RolloutService(fleet.rig.db, fleet.rig.devices, _Broken(), crash)
    rollout = fleet.start()
    with pytest.raises(OSError, match="power cut"):
        halting.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now)
    assert fleet.rig.state.online.halted() == ()

    _another_engine(fleet).tick(fleet.now)

    assert fleet.rig.state.online.halted() == (digest("app/1.1"),)


class _OwnList:
    """The list of a server beside: it knows what it said itself."""

    def __init__(self) -> None:
        self._said: tuple[str, ...] = ()

    def halted(self) -> tuple[str, ...]:
        return self._said

    def halt_list(self) -> bytes:
        return ",".join(self._said).encode()

    def unsignable(self, component: str, now: object) -> str:
        return ""

    def halt(self, digests: Iterable[str], now: object) -> bytes:
        self._said = tuple(sorted(digests))
        return ",".join(self._said).encode()


class _Broken:
    def halted(self) -> tuple[str, ...]:
        return ()

    def halt_list(self) -> bytes:
        return b""

    def unsignable(self, component: str, now: object) -> str:
        return ""

    def halt(self, digests: object, now: object) -> bytes:
        raise OSError("power cut")


# --- start


def test_devices_that_already_run_it_are_satisfied_and_offered_nothing(fleet: Fleet) -> None:
    fleet.hello(fleet.names[0], "app/1.1")

    rollout = fleet.start()

    assert fleet.members(rollout)[fleet.names[0]].standing == "satisfied"


def test_a_second_rollout_leaves_out_the_devices_of_the_first_with_the_reason(fleet: Fleet) -> None:
    first = fleet.start("app/1.1", "device in ('cam-01', 'cam-02', 'cam-03')")

    second = fleet.start("app/1.2")

    member = fleet.members(second)["cam-01"]
    assert member.standing == "excluded"
    assert first in member.reason


def test_a_halted_rollout_leaves_its_devices_to_the_release_that_mends_it(fleet: Fleet) -> None:
    first = fleet.start("app/1.1")
    fleet.service.halt(first, CommittedDevices.KEEP, "bob", fleet.now)

    second = fleet.start("app/1.2")

    assert len(fleet.wished("app/1.2")) == 3
    assert all(m.standing == "member" for m in fleet.members(second).values())


def test_a_sleeper_of_an_old_rollout_gets_the_newer_release_only(fleet: Fleet) -> None:
    fleet.offline("cam-12")
    old = fleet.start("app/1.1", policy="phases: [{percent: 100, bake: 0s}]")
    fleet.commit(*(n for n in fleet.names if n != "cam-12"))
    fleet.tick()
    assert fleet.rollout(old).state == "succeeded"
    fleet.start("app/1.2", policy="phases: [{percent: 100, bake: 0s}]")

    fleet.hello("cam-12", "app/1.0")
    fleet.tick()

    assert fleet.wish("cam-12").release_id == "app/1.2"


def test_a_release_for_other_hardware_excludes_and_says_so(rig: Rig, fleet: Fleet) -> None:
    rig.release("app/1.3", ["rpi5"])

    rollout = fleet.start("app/1.3")

    excluded = {n for n, m in fleet.members(rollout).items() if m.standing == "excluded"}
    assert excluded == {n for n in fleet.names if rig.device_row(n).hw != "rpi5"}


def test_a_rollout_to_nobody_is_refused(fleet: Fleet) -> None:
    with pytest.raises(Conflict, match="No device belongs"):
        fleet.start(cohort="site == 'nowhere'")


def test_a_rollout_in_which_all_are_left_out_is_refused_with_a_reason(fleet: Fleet) -> None:
    fleet.start("app/1.1")

    with pytest.raises(Conflict, match="left out"):
        fleet.start("app/1.2")


def test_an_unknown_release_or_cohort_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match="no release"):
        fleet.start("app/9.9")
    with pytest.raises(NotFound, match="no cohort"):
        fleet.start(cohort="prodution")


def test_a_policy_without_release_is_refused_by_name(fleet: Fleet) -> None:
    with pytest.raises(Invalid, match="names no release"):
        fleet.service.start(Order("", None, "all"), "alice", fleet.now)


def test_the_salt_of_a_plan_repeats_its_membership(fleet: Fleet) -> None:
    with fleet.rig.db.read() as session:
        planned = fleet.service.plan(session, Order(POLICY, "app/1.1", "all"))

    rollout = fleet.start(salt=planned.salt)

    assert fleet.in_phase(rollout, 0) == sorted(m.device for m in planned.plan.phases[0].members)


def test_a_device_revoked_during_the_rollout_leaves_it_and_the_others_go_on(fleet: Fleet) -> None:
    rollout = fleet.start()
    gone = fleet.in_phase(rollout, 1)[0]
    with fleet.rig.db.write() as session:
        fleet.rig.devices.revoke(session, gone, "bob", fleet.now)

    pass_canary(fleet, rollout)

    assert fleet.wished() == set(fleet.in_phase(rollout, 1)) - {gone}
