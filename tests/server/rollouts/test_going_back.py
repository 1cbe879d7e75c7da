"""What a revert would do: who returns without a download, who must fetch, who cannot and why."""

from __future__ import annotations

from surefoot_server.rollouts.going_back import Forecast, Return
from surefoot_shared.messages import SlotReport
from surefoot_shared.status import SlotState
from tests.server.rig import digest, hello, runs
from tests.server.rollouts.fleet import Fleet

ALL = "phases: [{percent: 100, bake: 0s}]"


def forecast(fleet: Fleet, rollout: str) -> Forecast:
    with fleet.rig.db.read() as session:
        return fleet.service.revert_forecast(session, rollout)


def test_counts_come_first_and_the_first_reason_of_those_that_cannot() -> None:
    found = Forecast(
        (Return("a", "app/1", 0), Return("b", "app/1", 2_500_000), Return("c", None, 0, "it is revoked")),
    )

    assert found.sentence() == (
        "1 return without a download, 1 must fetch at most 2.5 MB together, 1 cannot (c: it is revoked)"
    )


def test_a_slot_that_still_holds_the_release_before_saves_the_download(fleet: Fleet) -> None:
    fleet.hello("cam-03", "app/0.1")
    rollout = fleet.start(policy=ALL)
    fleet.commit(*fleet.names)
    slots = {
        "A": SlotReport(SlotState.GOOD, "app/1.0", digest("app/1.0")),
        "B": SlotReport(SlotState.GOOD, "app/1.1", digest("app/1.1")),
    }
    with fleet.rig.db.write() as session:
        said = hello("cam-01", 50, hw="jetson-orin", components=(runs("app/1.1", slots=slots),))
        fleet.rig.devices.hello(session, said, fleet.now)
        empty = {"A": SlotReport(SlotState.BAD), "B": SlotReport(SlotState.GOOD, "app/1.1", digest("app/1.1"))}
        said = hello("cam-02", 50, hw="rpi5", components=(runs("app/1.1", slots=empty),))
        fleet.rig.devices.hello(session, said, fleet.now)

    found = forecast(fleet, rollout)

    assert "cam-01" in [r.device for r in found.held]
    assert [(r.device, r.size_bytes) for r in found.fetching] == [("cam-02", 1000)]
    assert [(r.device, r.cannot) for r in found.cannot] == [
        ("cam-03", "the release that ran before is not known to the server")
    ]


def test_who_has_not_got_it_and_who_was_ordered_back_is_not_counted(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.commit(*fleet.in_phase(rollout, 0))
    assert len(forecast(fleet, rollout).returns) == len(fleet.in_phase(rollout, 0))

    fleet.service.revert(rollout, "bob", fleet.now)

    assert forecast(fleet, rollout).returns == ()
