"""A set over time: as far as the member behind, switched by order, one outcome, strays of any member, back whole."""

from __future__ import annotations

import pytest

from surefoot_server.devices import lent
from surefoot_server.devices.leave import Rates
from surefoot_server.devices.sets import SET_BROKEN
from surefoot_server.rollouts import repository
from surefoot_server.rollouts.facts import AttemptFact
from surefoot_server.rollouts.joined import Part, as_far, without_way_back
from surefoot_server.rollouts.models import RolloutMember
from surefoot_shared.messages import EventKind
from surefoot_shared.status import AttemptState as S
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, digest, event, later, proof
from tests.server.rollouts.fleet import HW, Fleet
from tests.server.rollouts.pairs import ends, newest, reaches, says, tells

ALL = "phases: [{percent: 100, bake: 1s}]\n"
ROLLING = ALL + "rollout: {strategy: rolling}\n"
BLUE_GREEN = ALL + "rollout: {strategy: blue-green}\n"
BOTH = ("app", "model")


def start(fleet: Fleet, policy: str = ALL, cohort: str = "hw == 'rpi5'") -> list[str]:
    """The members of a new rollout; it is r1, or the next."""
    rollout = fleet.start(policy=policy, cohort=cohort, also=("model/2.0",))
    fleet.tick(1)
    return fleet.in_phase(rollout, 0)


def committed(fleet: Fleet, policy: str = ALL) -> list[str]:
    names = start(fleet, policy)
    for name in names:
        ends(fleet, name, Outcome.COMMITTED, Outcome.COMMITTED)
    fleet.tick(1)
    fleet.tick(20)
    assert fleet.rollout("r1").state == "succeeded"
    return names


@pytest.mark.parametrize(
    ("leading", "others", "found"),
    [
        (S.STAGED, [S.DOWNLOADING], S.DOWNLOADING),
        (S.STAGED, [S.STAGED], S.STAGED),
        (S.DOWNLOADING, [S.STAGED], S.DOWNLOADING),
        (S.STAGED, [S.ARMED], S.ARMED),
        (S.COMMITTING, [S.PROBATION], S.PROBATION),
        (S.COMMITTING, [S.CHECKING], S.CHECKING),
        (S.COMMITTING, [], S.COMMITTING),
        (S.OFFERED, [S.CLEANING], S.OFFERED),
    ],
)
def test_a_set_is_as_far_as_the_member_that_is_behind(leading: S, others: list[S], found: S) -> None:
    attempt = AttemptFact(leading, NOW, NOW, 0)

    assert as_far(attempt, [Part(state, NOW) for state in others]) == AttemptFact(found, NOW, NOW, 0)


def test_any_member_that_gets_on_renews_the_time_of_the_set() -> None:
    found = as_far(AttemptFact(S.STAGED, NOW, NOW, 0), [Part(S.DOWNLOADING, later(60))])

    assert found is not None
    assert found.state_at == later(60)


def test_rolling_switches_one_device_at_a_time_and_only_once_all_of_its_set_is_staged(models: Fleet) -> None:
    first, second, *_ = start(models, ROLLING)
    for name in (first, second):
        reaches(models, name, "app", S.STAGED)
        reaches(models, name, "model", S.DOWNLOADING)
    models.tick(1)
    early = [row.activate for row in newest(models, first).values()]

    for name in (first, second):
        reaches(models, name, "model", S.STAGED)
    models.tick(1)

    assert early == [False, False]
    told = [name for name in (first, second) if all(row.activate for row in newest(models, name).values())]
    held = [name for name in (first, second) if not any(row.activate for row in newest(models, name).values())]
    assert (len(told), len(held)) == (1, 1)


def test_blue_green_switches_once_every_component_of_every_device_is_staged_and_goes_back_together(
    models: Fleet,
) -> None:
    names = start(models, BLUE_GREEN)
    last = names[-1]
    for name in names:
        for component in BOTH:
            if (name, component) != (last, "model"):
                reaches(models, name, component, S.STAGED)
    models.tick(1)
    early = {row.activate for name in names for row in newest(models, name).values()}
    reaches(models, last, "model", S.STAGED)
    models.tick(1)
    late = {row.activate for name in names for row in newest(models, name).values()}
    for name in names:
        ends(models, name, Outcome.COMMITTED, Outcome.COMMITTED)
    models.tick(1)
    models.service.revert("r1", "alice", models.now)
    models.tick(1)

    assert (early, late) == ({False}, {True})
    back = [row for name in names for row in newest(models, name).values()]
    assert {(row.release_id, row.intent, row.activate) for row in back} == {
        ("app/1.0", "revert", True),
        ("model/1.0", "revert", True),
    }


def test_the_leading_release_has_no_outcome_before_the_last_member_has_one(models: Fleet) -> None:
    name, *_ = start(models)
    tells(models, name, "app", Outcome.COMMITTED)
    models.tick(1)
    waiting = newest(models, name)["app"]

    tells(models, name, "model", Outcome.COMMITTED)

    ended = newest(models, name)["app"]
    assert (waiting.outcome, waiting.open, waiting.wanted, models.runs(name)) == (None, True, True, "app/1.1")
    assert (ended.outcome, ended.open, ended.wanted, ended.outcome_by) == ("committed", False, False, "device")


def test_a_halt_reaches_a_set_of_which_the_leading_release_was_there_already(models: Fleet) -> None:
    name, *_ = start(models)
    tells(models, name, "app", Outcome.COMMITTED)
    reaches(models, name, "model", S.DOWNLOADING)

    models.service.cancel("r1", "alice", models.now)
    models.tick(1)

    assert {(row.outcome, row.wanted) for row in newest(models, name).values()} == {("cancelled", False)}


def test_a_model_that_strays_is_brought_back_with_its_set_and_the_way_back_leads_where_it_led(models: Fleet) -> None:
    name = committed(models)[0]
    says(models, name, "app/1.1", "model/1.0")
    models.tick(1)
    models.tick(140)
    again = newest(models, name)
    ends(models, name, Outcome.COMMITTED, Outcome.COMMITTED)
    models.tick(1)

    models.service.revert("r1", "alice", models.now)
    models.tick(1)

    assert [(again[c].release_id, again[c].previous_release_id) for c in BOTH] == [
        ("app/1.1", "app/1.0"),
        ("model/2.0", "model/1.0"),
    ]
    assert again["app"].joint == again["model"].joint
    assert {row.release_id for row in newest(models, name).values()} == {"app/1.0", "model/1.0"}


def test_an_application_that_strays_is_brought_back_and_the_model_goes_back_with_it_later(models: Fleet) -> None:
    name = committed(models)[0]
    says(models, name, "app/1.0", "model/2.0")
    models.tick(1)
    models.tick(140)
    again = newest(models, name)

    assert again["app"].joint == again["model"].joint
    assert [(again[c].open, again[c].previous_release_id) for c in BOTH] == [(True, "app/1.0"), (True, "model/1.0")]


def test_a_model_that_fell_back_counts_as_a_set_that_reverted(models: Fleet) -> None:
    policy = (
        ALL.replace("1s", "10m") + "gate: {objectives: [{metric: reverted, tripwire: 1, fail_if_surely_above: 5%}]}\n"
    )
    names = start(models, policy)
    for each in names:
        ends(models, each, Outcome.COMMITTED, Outcome.COMMITTED)
    models.tick(1)

    fell = event(
        names[0], models._seq(names[0]), EventKind.FELL_BACK, component="model", proof=proof(digest("model/1.0"))
    )
    models.rig.events(names[0], fell, now=models.now)
    models.tick(1)

    assert models.rollout("r1").state == "reverting"
    with models.rig.db.read() as session:
        member = session.get(RolloutMember, ("r1", names[0]))
        assert member is not None
        assert member.revert_assignment_id is not None
    assert {row.release_id for row in newest(models, names[0]).values()} == {"app/1.0", "model/1.0"}


def test_what_a_revert_would_do_counts_every_component(models: Fleet) -> None:
    held, app_only, neither, *_ = committed(models)
    says(models, held, "app/1.1", "model/2.0")
    says(models, app_only, "app/1.1", "model/2.0", empty=("model",))
    says(models, neither, "app/1.1", "model/2.0", empty=BOTH)

    with models.rig.db.read() as session:
        found = models.service.revert_forecast(session, "r1")

    assert held in {each.device for each in found.held}
    assert {(each.device, each.size_bytes) for each in found.fetching} >= {(app_only, 1000), (neither, 2000)}


def test_a_set_of_which_one_may_go_nowhere_back_stays_whole(models: Fleet) -> None:
    """The model of before was halted since: half a way back would part what belongs together."""
    names = committed(models, ALL + "releases: {floors: [model/2.0]}\n")
    for name in names:
        says(models, name, "app/1.1", "model/2.0")
    with models.rig.db.read() as session:
        found = models.service.revert_forecast(session, "r1")

    models.service.revert("r1", "alice", models.now)
    models.tick(1)

    why = "its model ran model/1.0 before, and it is below the floor model/2.0"
    assert [each.cannot for each in found.returns] == [why] * len(names)
    assert {row.intent for name in names for row in newest(models, name).values()} == {"update"}
    assert models.rollout("r1").state == "failed"
    assert "have no earlier release that they may go back to" in models.rollout("r1").reason


def test_a_set_of_which_a_younger_rollout_wants_the_model_is_neither_offered_nor_taken_back(models: Fleet) -> None:
    sleeper, *others = models.names[1::3]  # every third is an rpi5
    models.offline(sleeper)
    start(models)
    for name in others:
        ends(models, name, Outcome.COMMITTED, Outcome.COMMITTED)
    models.tick(1)
    models.tick(20)
    models.rig.release("model/3.0", HW)
    models.start("model/3.0", policy=ALL, cohort="hw == 'rpi5'")
    models.tick(1)
    for name in others:
        tells(models, name, "model", Outcome.COMMITTED)

    says(models, sleeper, "app/1.0", "model/1.0")
    models.tick(1)
    offered = {component: row.release_id for component, row in newest(models, sleeper).items()}
    with models.rig.db.read() as session:
        found = models.service.revert_forecast(session, "r1")
    models.service.revert("r1", "alice", models.now)
    models.tick(1)

    assert offered == {"model": "model/3.0"}
    assert {each.cannot for each in found.returns} == {"rollout r2 wants something else of its model"}
    kept = {(row.release_id, row.intent) for name in others for row in newest(models, name).values()}
    assert kept == {("app/1.1", "update"), ("model/3.0", "update")}


def test_an_outcome_that_was_counted_keeps_its_time_when_the_member_to_blame_is_heard(models: Fleet) -> None:
    name, *_ = start(models)
    tells(models, name, "app", Outcome.REVERTED, SET_BROKEN)
    models.tick(1)
    models.tick(5)

    tells(models, name, "model", Outcome.REVERTED, "health_failed", "frozen frames")

    app = newest(models, name)["app"]
    assert (app.outcome, app.tallied, app.reason) == ("reverted", "reverted", "health_failed")
    assert app.ended_at == app.tallied_at


def test_a_model_that_became_too_old_since_the_plan_is_not_offered_the_set(models: Fleet) -> None:
    models.rig.release("model/3.0", HW)
    names = models.names[1::3]  # every third is an rpi5
    for name in names:
        says(models, name, "app/1.0", "model/2.0")
    policy = ALL + "releases: {from: [model/2.0]}\nlimits: {max_concurrent: 1}\n"
    models.start(policy=policy, cohort="hw == 'rpi5'", also=("model/3.0",))
    late = next(name for name in names if not newest(models, name))

    says(models, late, "app/1.0", "model/1.0")
    for _ in names:
        for name in names:
            if newest(models, name):
                ends(models, name, Outcome.COMMITTED, Outcome.COMMITTED)
        models.tick(1)

    assert models.members("r1")[late].standing == "excluded"
    assert newest(models, late) == {}


def test_who_has_no_way_back_is_read_of_those_alone_who_are_asked_about(models: Fleet) -> None:
    first, *_ = names = committed(models)

    with models.rig.db.read() as session:
        row = repository.rollout(session, "r1")
        everybody = without_way_back(session, row, ["model/1.0"])
        asked = without_way_back(session, row, ["model/1.0"], [first, "cam-unknown"])

    assert (everybody, asked) == (frozenset(names), {first})


def test_a_companion_downloads_within_the_bandwidth_of_the_rollout(models: Fleet) -> None:
    first, second, *_ = start(models, ALL + "limits: {bandwidth_mbps: 8}\n")
    reaches(models, first, "app", S.STAGED)
    with models.rig.db.write() as session:
        for name, component in ((first, "model"), (second, "app")):
            row = newest(models, name)[component]
            (pool,) = lent.shared(session, Rates(), row, "", models.now)
            assert (pool.total_bytes_per_s, pool.sharers) == (1_000_000, 4)


def test_of_a_set_that_cannot_be_signed_whole_nothing_is_ordered(models: Fleet) -> None:
    rollout = models.rollout(models.start(policy=ALL, cohort="hw == 'rpi5'", also=("model/2.0",)))
    whole = models.service.unsignable_of(rollout, models.now)
    signed = models.rig.state.online.unsignable

    models.rig.state.online.unsignable = lambda of, now: "no key" if of == "model" else signed(of, now)  # type: ignore[method-assign]

    assert (whole, models.service.unsignable_of(rollout, models.now)) == ("", "no key")
