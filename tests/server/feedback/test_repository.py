"""Which flags speak against which rollout."""

from __future__ import annotations

from surefoot_server.feedback import repository
from tests.server.rollouts.fleet import Fleet


def against(fleet: Fleet, rollout: str) -> list[str]:
    with fleet.rig.db.read() as session:
        return [flag.device_id or "release" for flag in repository.flags_of(session, fleet.rollout(rollout))]


def test_a_device_that_does_not_run_the_release_does_not_speak_against_it(fleet: Fleet) -> None:
    feedback = fleet.rig.state.feedback
    rollout = fleet.start()
    canary = fleet.in_phase(rollout, 0)[0]
    fleet.commit(*fleet.in_phase(rollout, 0))
    other = fleet.in_phase(rollout, 1)[0]

    feedback.flag_device(other, "dark", "ann", "operator", fleet.now)
    feedback.flag_device(canary, "blind", "ann", "operator", fleet.now)

    assert against(fleet, rollout) == [canary]


def test_a_withdrawn_flag_is_kept_and_speaks_no_more(fleet: Fleet) -> None:
    feedback = fleet.rig.state.feedback
    rollout = fleet.start()
    flag = feedback.flag_release("app/1.1", "mirrored", "ann", "operator", fleet.now)

    feedback.withdraw_flag(flag.id or 0, "ann", fleet.now)

    assert against(fleet, rollout) == []
    with fleet.rig.db.read() as session:
        assert repository.flags(session) == []
        assert len(repository.flags(session, standing=False)) == 1
