"""What the judge looks at: when, whom, and over which hours; and what follows in a real rollout."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot_server.rollouts import repository
from surefoot_server.rollouts.facts import Facts
from surefoot_server.rollouts.judge import Look
from surefoot_server.rollouts.models import RolloutPhase
from surefoot_server.rollouts.policy import Policy, parse
from surefoot_server.rollouts.readings import Readings, due
from surefoot_server.telemetry import service as telemetry
from surefoot_shared.messages import Sample, TelemetryBatch
from surefoot_shared.status import RolloutState
from tests.server.rig import digest, later
from tests.server.rollouts.fleet import Fleet

POLICY = """
phases:
  - {name: canary, percent: 50, bake: 4m}
  - {name: rest, percent: 100, bake: 4m}
gate:
  max_wait: 10m
  objectives:
    - {metric: reverted, fail_if_surely_above: 20%}
    - {metric: camera_fps, against: control, min_ratio: 0.9, critical: CRITICAL, confidence: 0.9}
timeouts: {lost_after: 5m, asleep_after: 1m, step: 20m}
"""


class Watched:
    """The fleet of twelve, half of it the canary, with cameras that say their speed three times a minute."""

    def __init__(self, fleet: Fleet, critical: bool = True) -> None:
        self.fleet, self.batch = fleet, 0
        self.policy = POLICY.replace("CRITICAL", str(critical).lower())
        self.speeds: dict[str, float] = dict.fromkeys(fleet.names, 30.0)
        self.run(120)
        self.id = fleet.start(policy=self.policy)
        self.canary = fleet.in_phase(self.id, 0)
        fleet.commit(*self.canary)
        fleet.tick()

    def run(self, seconds: float) -> None:
        """Samples of the coming time, then the time itself."""
        fleet = self.fleet
        runs = {name: digest(fleet.runs(name) or "app/1.0") for name in fleet.names}
        for index, name in enumerate(fleet.names):
            self.batch += 1
            samples = tuple(
                Sample(later(fleet.at + s).isoformat(), "camera_fps", self.speeds[name] + index / 10, "app", runs[name])
                for s in range(0, int(seconds), 20)
            )
            with fleet.rig.db.write() as session:
                batch = TelemetryBatch(name, "t1", self.batch, 0, samples)
                telemetry.ingest(session, name, [batch], later(fleet.at + seconds))
        fleet.tick(seconds)

    @property
    def phase(self) -> RolloutPhase:
        return self.fleet.phases(self.id)[0]

    def slow(self, speed: float, *names: str) -> None:
        self.speeds |= dict.fromkeys(names or self.canary, speed)


@pytest.fixture
def watched(fleet: Fleet) -> Watched:
    return Watched(fleet)


def test_a_canary_that_slows_down_fails_within_the_bake_and_goes_back(watched: Watched) -> None:
    watched.slow(15.0)

    watched.run(230)

    fleet = watched.fleet
    assert fleet.rollout(watched.id).state == "reverting"
    reason = fleet.rollout(watched.id).reason
    assert re.search(r"camera_fps is 0\.5\d+ times that of the control on 6 devices, surely outside at look 2", reason)
    assert fleet.wished("app/1.0") == set(watched.canary)
    assert digest("app/1.1") in fleet.rig.state.online.halted()


def test_an_evening_that_slows_everybody_passes(watched: Watched) -> None:
    watched.slow(20.0, *watched.fleet.names)

    watched.run(245)

    assert (watched.phase.state, watched.phase.verdict) == ("passed", "pass")
    (measure,) = watched.phase.evidence["metrics"]
    assert (measure["canary"]["devices"], measure["control"]["devices"]) == (6, 6)
    assert measure["estimate"] == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
def test_each_look_is_taken_once_and_kept_with_its_numbers(watched: Watched) -> None:
    watched.run(185)

    looks = [d for d in watched.fleet.decisions(watched.id) if d.kind == "take_look"]
    assert [d.detail["number"] for d in looks] == [1, 2, 3]
    assert [d.detail["finding"]["metrics"][0]["look"] for d in looks] == [1, 2, 3]
    assert watched.phase.looks == 3
    assert watched.phase.state == "baking"


@pytest.mark.slow
def test_without_samples_it_waits_and_then_a_person_must_decide(fleet: Fleet) -> None:
    rollout = fleet.start(policy=POLICY.replace("CRITICAL", "true"))
    fleet.commit(*fleet.in_phase(rollout, 0))

    fleet.tick(300)
    waiting = fleet.phases(rollout)[0].state
    fleet.tick(600)

    assert waiting == "baking"
    assert fleet.rollout(rollout).state == "held"
    assert "0 devices sent camera_fps" in fleet.rollout(rollout).reason


@pytest.mark.slow
def test_what_is_held_goes_on_once_a_person_let_it(fleet: Fleet) -> None:
    watched = Watched(fleet, critical=False)
    watched.slow(15.0)
    watched.run(245)
    held = fleet.rollout(watched.id).state

    fleet.service.resume(watched.id, "alice", fleet.now, "known and accepted")
    watched.run(20)

    assert held == "held"
    assert watched.phase.state == "passed"
    assert watched.phase.acknowledged["camera_fps against control"] == 1
    assert watched.phase.evidence["metrics"][0]["acknowledged"] is True


def test_the_control_is_of_later_phases_and_of_the_canarys_hardware(watched: Watched) -> None:
    look = _look(watched)

    (readings,) = look.readings.values()
    assert {r.device for r in readings if r.canary} == set(watched.canary)
    assert {r.device for r in readings if not r.canary} == set(watched.fleet.names) - set(watched.canary)
    assert {r.site for r in readings} == {"hanoi"}


def test_a_look_is_read_again_only_after_a_while(watched: Watched) -> None:
    readings = Readings()
    first = _look(watched, readings)

    assert _look(watched, readings, 5) is first
    assert _look(watched, readings, 60) is not first


def test_a_look_is_due_while_the_phase_bakes_and_at_no_other_time(watched: Watched) -> None:
    policy, facts = _facts(watched)
    at = watched.fleet.now + timedelta(minutes=1.1)

    assert due(policy, facts, at) == 1
    assert due(policy, facts, watched.fleet.now) is None
    assert due(policy, replace(facts, state=RolloutState.PAUSED), at) is None
    assert due(parse(""), facts, at) is None


def _facts(watched: Watched) -> tuple[Policy, Facts]:
    fleet = watched.fleet
    with fleet.rig.db.read() as session:
        return parse(watched.policy), repository.facts(session, fleet.rollout(watched.id), fleet.now)


def _look(watched: Watched, readings: Readings | None = None, seconds: float = 0) -> Look:
    policy, facts = _facts(watched)
    at = watched.fleet.now + timedelta(minutes=1.1, seconds=seconds)
    with watched.fleet.rig.db.read() as session:
        row = watched.fleet.rollout(watched.id)
        attached = (readings or Readings()).attach(session, row, policy, facts, at)
    assert attached.look is not None
    return attached.look
