"""Drills on a real database: orders back and forth, times, and whom they leave alone."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlmodel import select

from surefoot_server.drills.models import Drill, DrillDevice
from surefoot_server.drills.service import DrillService, plan
from surefoot_shared.errors import Conflict, NotFound
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import Fleet

LAB = "hw == 'rpi5'"


class Lab:
    """Four lab devices that came from app/1.0 to app/1.1."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        fleet.start(cohort=LAB, policy="phases: [{percent: 100, bake: 1s}]\n")
        self.names = sorted(fleet.wished())
        fleet.commit(*self.names)
        fleet.tick(2)
        fleet.tick(2)

    @property
    def drills(self) -> DrillService:
        return self.fleet.rig.state.drills

    def run(self, limit_s: float = 60) -> str:
        return self.drills.run("app", LAB, limit_s, "ann", self.fleet.now)

    def sweep(self, seconds: float = 0) -> None:
        self.fleet.at += seconds
        self.drills.sweep(self.fleet.now)

    def drill(self, drill_id: str) -> Drill:
        with self.fleet.rig.db.read() as session:
            found = session.get(Drill, drill_id)
        assert found is not None
        return found

    def devices(self, drill_id: str) -> dict[str, DrillDevice]:
        with self.fleet.rig.db.read() as session:
            rows = session.exec(select(DrillDevice).where(DrillDevice.drill_id == drill_id))
            return {row.device_id: row for row in rows}


@pytest.fixture
def lab(fleet: Fleet) -> Lab:
    return Lab(fleet)


def test_lab_devices_go_back_and_forth_and_the_times_are_theirs(lab: Lab) -> None:
    drill = lab.run()
    back = {lab.fleet.wish(n).release_id for n in lab.names}, {lab.fleet.wish(n).intent for n in lab.names}
    lab.fleet.at += 20
    lab.fleet.commit(*lab.names)
    lab.sweep(3)
    forth = {lab.fleet.wish(n).release_id for n in lab.names}, {lab.fleet.wish(n).intent for n in lab.names}
    lab.fleet.at += 10
    lab.fleet.commit(*lab.names)
    lab.sweep()

    assert (back, forth) == (({"app/1.0"}, {"revert"}), ({"app/1.1"}, {"update"}))
    assert lab.drill(drill).state == "passed"
    assert lab.drill(drill).reason == "4 devices went back and forth; back in 20 s, 20 s at most"
    assert {(d.revert_s, d.apply_s) for d in lab.devices(drill).values()} == {(20.0, 10.0)}
    assert {lab.fleet.runs(n) for n in lab.names} == {"app/1.1"}


def test_a_device_that_does_not_come_back_fails_the_drill_and_its_order_is_withdrawn(lab: Lab) -> None:
    drill = lab.run()
    slow = lab.names[0]
    lab.fleet.commit(*lab.names[1:])
    lab.sweep(61)
    lab.fleet.commit(*lab.names[1:])
    lab.sweep()

    assert lab.drill(drill).state == "failed"
    assert lab.drill(drill).reason == f"1 of 4 devices failed, {slow} first"
    assert lab.devices(drill)[slow].reason == "reverting did not end within 60 s"
    assert lab.fleet.wish(slow).outcome == Outcome.CANCELLED.value


def test_a_device_that_cannot_start_the_old_release_says_so(lab: Lab) -> None:
    drill = lab.run()
    lab.fleet.end(Outcome.REVERTED, lab.names[0])
    lab.sweep()

    assert lab.devices(drill)[lab.names[0]].reason == "reverting ended reverted: frozen frames"


def test_sleepers_and_those_at_work_take_no_part_and_say_why(lab: Lab) -> None:
    lab.fleet.offline(lab.names[0])
    rollout = lab.fleet.start("app/1.2", cohort=f"device == '{lab.names[1]}'", policy="phases: [{percent: 100}]\n")

    with lab.fleet.rig.db.read() as session:
        plans = {p.device: p.skipped for p in plan(session, "app", "all")}

    assert plans[lab.names[0]] == "it is not connected"
    assert plans[lab.names[1]] == f"rollout {rollout} is at work on it"
    assert plans[lab.names[2]] == ""
    others = {why for name, why in plans.items() if name not in lab.names}
    assert others == {"no earlier release of it is known"}


def test_two_drills_of_one_component_do_not_run_at_once_and_one_without_devices_not_at_all(lab: Lab) -> None:
    with pytest.raises(Conflict, match="no earlier release"):
        lab.drills.run("app", "hw == 'x86-box'", 60, "ann", lab.fleet.now)
    lab.run()

    with pytest.raises(Conflict, match="Drill d1 of app is still running"):
        lab.run()


def test_a_schedule_runs_it_again_and_a_restart_or_a_long_outage_makes_one_of_many(lab: Lab) -> None:
    made = lab.drills.schedule("app", LAB, 3600, 60, "ann", lab.fleet.now)
    lab.sweep(3599)
    before = lab.fleet.wished("app/1.0")
    lab.sweep(3600 * 5)
    lab.sweep()

    assert before == set()
    assert lab.fleet.wished("app/1.0") == set(lab.names)
    with pytest.raises(NotFound):
        lab.drills.unschedule(99, "ann", lab.fleet.now)
    assert lab.drills.unschedule(made.id or 0, "ann", lab.fleet.now).stopped_at == lab.fleet.now


def test_a_component_that_nobody_has_is_neither_scheduled_nor_drilled(lab: Lab) -> None:
    with pytest.raises(NotFound, match="no component 'ap'") as refused:
        lab.drills.schedule("ap", LAB, 3600, 60, "ann", lab.fleet.now)
    with pytest.raises(NotFound, match="no component 'ap'"):
        lab.drills.run("ap", LAB, 60, "ann", lab.fleet.now)

    assert refused.value.hint == "Components with a release: app."


def test_a_scheduled_drill_that_nobody_could_take_part_in_is_a_failed_one(lab: Lab) -> None:
    lab.drills.schedule("app", "hw == 'x86-box'", 3600, 60, "ann", lab.fleet.now)

    lab.sweep(3601)

    assert (lab.drill("d1").state, lab.drill("d1").started_by) == ("failed", "drill")
    assert "No device can take part" in lab.drill("d1").reason


def test_a_plan_takes_as_many_queries_for_a_fleet_as_for_one(lab: Lab) -> None:
    with lab.fleet.rig.db.read() as session:
        asked: list[str] = []
        sa.event.listen(session.connection(), "before_cursor_execute", lambda _c, _cur, sql, *_: asked.append(sql))
        one, few = plan(session, "app", f"device == '{lab.names[0]}'"), len(asked)
        asked.clear()
        every = plan(session, "app", "all")

    assert (len(one), len(every) > 4, len(asked)) == (1, True, few)
