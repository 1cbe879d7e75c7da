"""Rollouts and attempts as Prometheus reads them."""

from __future__ import annotations

from datetime import timedelta

from surefoot_server import rollout_metrics
from surefoot_server.devices.models import Assignment
from surefoot_server.rollouts.models import Rollout, RolloutPhase
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, Rig, digest, hello, later, outcome


def values(rig: Rig, after: timedelta = timedelta(seconds=30)) -> dict[tuple[str, tuple[str, ...]], float]:
    with rig.db.read() as session:
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for family in rollout_metrics.collect(session, NOW + after)
            for sample in family.samples
        }


def rollout(rig: Rig) -> None:
    with rig.db.write() as session:
        session.add(
            Rollout(
                id="r1",
                number=1,
                release_id="app/1.1",
                component="app",
                digest=digest("app/1.1"),
                cohort="all",
                expression="all",
                policy="",
                salt="s",
                state="running",
                phase=1,
                created_at=NOW,
                created_by="test",
            )
        )
        for index, verdict in enumerate(("pass", "hold", None)):
            name = f"phase-{index}"
            session.add(
                RolloutPhase(
                    rollout_id="r1",
                    index=index,
                    name=name,
                    selector="50%",
                    bake_s=1.0,
                    members=1,
                    state="baking",
                    verdict=verdict,
                )
            )


def test_rollouts_gates_and_attempts_have_their_labels(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rollout(rig)
    with rig.db.write() as session:
        held = session.get(Assignment, row.id)
        assert held is not None
        held.rollout_id, held.phase = "r1", 0
    rig.events("cam-1", outcome(row, 1, Outcome.REVERTED, reason="health_failed"))

    found = values(rig)

    assert found["surefoot_rollout_info", ("r1", "app/1.1", "running")] == 1
    assert found["surefoot_rollout_phase", ("r1",)] == 1
    assert found["surefoot_gate_result", ("r1", "phase-0")] == 1
    assert found["surefoot_gate_result", ("r1", "phase-1")] == -1
    assert ("surefoot_gate_result", ("r1", "phase-2")) not in found
    assert found["surefoot_update_attempts_total", ("r1", "0", "reverted", "health_failed")] == 1


def test_a_rollout_leaves_a_week_after_its_end(rig: Rig) -> None:
    rig.release("app/1.1")
    rollout(rig)
    with rig.db.write() as session:
        held = session.get(Rollout, "r1")
        assert held is not None
        held.ended_at = NOW

    assert ("surefoot_rollout_phase", ("r1",)) in values(rig, timedelta(days=6))
    assert ("surefoot_rollout_phase", ("r1",)) not in values(rig, timedelta(days=8))


def test_devices_are_counted_by_the_age_of_their_last_word_and_never_named(rig: Rig) -> None:
    for name in ("cam-1", "cam-2", "cam-3"):
        rig.device(name)
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1"), NOW)
        rig.devices.hello(session, hello("cam-2"), later(-600))

    found = values(rig)

    buckets = {
        labels[0]: n for (name, labels), n in found.items() if name == "surefoot_device_last_seen_seconds_bucket"
    }
    assert (buckets["60.0"], buckets["900.0"], buckets["+Inf"]) == (1, 2, 3)
    assert not [key for key in found if "cam-" in str(key)]
