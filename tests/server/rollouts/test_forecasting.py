"""A forecast of the real cohort: from the server's own plan, with who is offline now, within what it may cost."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts import forecasting
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.forecast.answer import Forecast
from surefoot_shared.errors import Conflict, Invalid
from tests.server.rollouts.fleet import POLICY, Fleet


def foretold(fleet: Fleet, assumptions: str = "", runs: int = 2, cohort: str = "all") -> Forecast:
    with fleet.rig.db.read() as session:
        planned = fleet.service.plan(session, Order(POLICY, "app/1.1", cohort))
        return forecasting.foretell(session, planned, assumptions, runs, fleet.now)


def test_the_plan_of_the_real_cohort_is_played(fleet: Fleet) -> None:
    found = foretold(fleet)

    assert [(p.name, p.members) for p in found.phases] == [("canary", 3), ("rest", 9)]
    assert found.runs == 2


def test_nothing_is_changed(fleet: Fleet) -> None:
    foretold(fleet)

    with fleet.rig.db.read() as session:
        assert fleet.service.plan(session, Order(POLICY, "app/1.1", "all")).plan.total == 12


def test_who_is_offline_now_is_taken_for_offline_unless_the_assumptions_say_otherwise(fleet: Fleet) -> None:
    unseen = "healthy: {failed: 0%, reverted: 0%, lost: 0%}\nbad: {reverted: 0%}\n"
    assert foretold(fleet, unseen).exposed.most == 12
    fleet.offline(*fleet.names[:6])

    assert foretold(fleet, unseen).exposed.most < 12, "nothing waits for those who sleep"
    assert foretold(fleet, unseen + "offline: {share: 0%}").exposed.most == 12


def test_a_request_costs_no_more_than_it_may(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "DEVICE_RUNS", 36)
    assert foretold(fleet, runs=500).runs == 3

    monkeypatch.setattr(forecasting, "DEVICES_LIMIT", 5)
    with pytest.raises(Invalid, match="up to 5 devices, not 12"):
        foretold(fleet)


def test_a_cohort_without_anybody_is_refused(fleet: Fleet) -> None:
    with pytest.raises(Conflict, match="No device belongs"):
        foretold(fleet, cohort="site == 'nowhere'")


def test_what_no_device_is_and_nobody_judges_is_not_assumed(fleet: Fleet) -> None:
    with pytest.raises(Invalid, match=r"bad.on.0.: no device that gets it is 'nothere'"):
        foretold(fleet, "bad: {on: [nothere]}")
    with pytest.raises(Invalid, match=r"camera_fsp: neither the policy's objectives nor"):
        foretold(fleet, "bad: {metrics: {camera_fsp: {ratio: 0.5}}}")
