"""Who is in which phase: stable, stratified, with a reason for everyone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot_server.rollouts.planner import Candidate, Exclusion, Offering, Plan, plan
from surefoot_server.rollouts.policy import Policy, parse

NEW = Offering("d-new", frozenset({"jetson", "rpi", "x86"}), counter=11)
LADDER = parse("phases: [{name: canary, percent: 1}, {name: half, percent: 50}, {name: all, percent: 100}]")
LAB_FIRST = parse(
    "phases: [{name: lab, select: \"tag('lab')\"}, {name: canary, percent: 10}, {name: all, percent: 100}]"
)


def fleet(**counts: int) -> list[Candidate]:
    return [
        Candidate(f"{hw}-{i}", hw, running="d-old", running_counter=10) for hw, n in counts.items() for i in range(n)
    ]


def names(made: Plan, index: int) -> set[str]:
    return {m.device for m in made.phases[index].members}


def test_every_hardware_has_a_canary_however_few_there_are() -> None:
    made = plan(LADDER, NEW, fleet(jetson=200, rpi=3, x86=1), "salt")

    assert {m.hw for m in made.phases[0].members} == {"jetson", "rpi", "x86"}
    assert len(made.phases[0].members) == 2 + 1 + 1


def test_membership_is_the_same_each_time_and_other_with_another_salt() -> None:
    candidates = fleet(jetson=300)

    assert plan(LADDER, NEW, candidates, "a") == plan(LADDER, NEW, candidates[::-1], "a")
    assert names(plan(LADDER, NEW, candidates, "a"), 0) != names(plan(LADDER, NEW, candidates, "b"), 0)


def test_a_device_more_does_not_move_the_others_to_earlier_phases() -> None:
    before = plan(LADDER, NEW, fleet(jetson=200), "salt")

    after = plan(LADDER, NEW, [*fleet(jetson=200), Candidate("late", "jetson")], "salt")

    assert names(before, 0) - names(after, 0) <= names(before, 0)
    assert len(names(before, 0) & names(after, 0)) >= len(names(before, 0)) - 1


def test_the_lab_comes_first_and_takes_no_canary_place() -> None:
    lab = Candidate("lab-1", "jetson", selected=frozenset({0}))

    made = plan(LAB_FIRST, NEW, [lab, *fleet(jetson=100)], "salt")

    assert names(made, 0) == {"lab-1"}
    assert len(names(made, 1)) == 10
    assert made.phases[0].members[0].reason == "matches tag('lab')"


def test_a_phase_grows_to_its_minimum_by_the_hardware_that_waits_most() -> None:
    policy = parse("phases: [{name: canary, percent: 1, min_devices: 20}, {percent: 100}]")

    made = plan(policy, NEW, fleet(jetson=90, rpi=10), "salt")

    assert len(names(made, 0)) == 20
    assert sum(1 for m in made.phases[0].members if m.hw == "rpi") == 2


def test_a_minimum_larger_than_the_fleet_takes_everyone_and_leaves_a_visibly_empty_phase() -> None:
    policy = parse("phases: [{name: canary, percent: 1, min_devices: 20}, {name: all, percent: 100}]")

    made = plan(policy, NEW, fleet(rpi=5), "salt")

    assert [len(p.members) for p in made.phases] == [5, 0]
    assert [p.name for p in made.phases] == ["canary", "all"]


def test_everyone_left_out_has_a_reason() -> None:
    out = [
        Candidate("old-board", "armv5"),
        Candidate("stolen", "rpi", revoked=True),
        Candidate("taken", "rpi", claimed_by="r7"),
        Candidate("ahead", "rpi", running="d-newer", running_counter=12),
    ]

    made = plan(LADDER, NEW, [*out, *fleet(rpi=1)], "salt")

    assert {e.device: e.kind for e in made.excluded} == {
        "old-board": Exclusion.WRONG_HARDWARE,
        "stolen": Exclusion.REVOKED,
        "taken": Exclusion.ASSIGNED_ELSEWHERE,
        "ahead": Exclusion.NEWER,
    }
    assert all(e.reason for e in made.excluded)
    assert made.total == 1


def test_a_downgrade_takes_back_those_that_are_ahead_when_it_is_asked_for() -> None:
    policy = parse("rollout: {intent: downgrade}")

    made = plan(policy, NEW, [Candidate("ahead", "rpi", running="d-newer", running_counter=12)], "salt")

    assert made.total == 1


def test_those_that_run_it_are_satisfied_and_in_no_phase() -> None:
    made = plan(LADDER, NEW, [Candidate("done", "rpi", running="d-new", running_counter=11), *fleet(rpi=2)], "salt")

    assert [s.device for s in made.satisfied] == ["done"]
    assert made.total == 2


def test_the_plan_says_which_count_trips_each_phase() -> None:
    policy = parse("phases: [{name: canary, percent: 10}, {name: all, percent: 100}]")

    made = plan(policy, NEW, fleet(rpi=200), "salt")

    assert dict(made.phases[0].trips) == {"failed": 2, "reverted": 2, "lost": 1}
    assert dict(made.phases[1].trips) == {"failed": 7, "reverted": 5, "lost": 5}


POLICIES = st.sampled_from(
    [LADDER, LAB_FIRST, parse(""), parse("phases: [{percent: 3, min_devices: 7}, {percent: 100}]")]
)


@settings(max_examples=100, deadline=None)
@given(
    policy=POLICIES,
    counts=st.dictionaries(st.sampled_from(["jetson", "rpi", "x86", "other"]), st.integers(0, 60)),
    salt=st.text(max_size=5),
    lab=st.integers(0, 5),
)
def test_every_device_is_in_exactly_one_place(policy: Policy, counts: dict[str, int], salt: str, lab: int) -> None:
    pinned = frozenset({0}) if policy.phases[0].select else frozenset[int]()
    candidates = fleet(**counts) + [Candidate(f"lab-{i}", "rpi", selected=pinned) for i in range(lab)]

    made = plan(policy, NEW, candidates, salt)

    placed = [m.device for p in made.phases for m in p.members]
    everyone = placed + [s.device for s in made.satisfied] + [e.device for e in made.excluded]
    assert sorted(everyone) == sorted(c.device for c in candidates)
    first = next(i for i, p in enumerate(policy.phases) if p.percent is not None)
    climbing = {c.hw for c in candidates if c.hw in NEW.hw and not c.selected}
    assert {m.hw for m in made.phases[first].members} == climbing
