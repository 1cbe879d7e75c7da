"""The verdict page: the numbers that decided, as they were stored."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from surefoot_server.access.roles import Role
from surefoot_server.rollouts.models import RolloutDecision
from surefoot_shared.status import Outcome
from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet

METRIC = {
    "metric": "camera_fps",
    "verdict": "fail",
    "against": "control",
    "scale": "ratio",
    "low": 0.97,
    "high": None,
    "critical": True,
    "dry_run": False,
    "alpha": 0.02,
    "confidence": 0.95,
    "look": 2,
    "looks": 4,
    "missing": 1,
    "p": 0.001,
    "estimate": 0.8,
    "at_least": 0.75,
    "at_most": 0.86,
    "effect": 0.02,
    "reason": "camera_fps is 0.8 times that of the control on 3 devices, surely outside",
    "canary": {
        "devices": 3,
        "before": 25.0,
        "after": 20.0,
        "median": 0.8,
        "quantiles": [0.7 + i / 100 for i in range(21)],
    },
    "control": {
        "devices": 9,
        "before": 25.0,
        "after": 25.1,
        "median": 1.0,
        "quantiles": [0.95 + i / 200 for i in range(21)],
    },
}


@pytest.fixture
def viewer(rig: Rig) -> TestClient:
    client = rig.client(None)
    client.post("/sign-in", data={"token": rig.token(Role.VIEWER)})
    return client


@pytest.fixture
def failed(rig: Rig) -> str:
    """A rollout whose first phase failed by one device that reverted."""
    fleet = Fleet(rig)
    rollout_id = fleet.start()
    first, *others = fleet.in_phase(rollout_id, 0)
    fleet.end(Outcome.REVERTED, first)
    fleet.commit(*others)
    fleet.tick(1)
    return rollout_id


def test_the_newest_verdict_shows_rates_bounds_and_what_fails_it(viewer: TestClient, failed: str) -> None:
    text = viewer.get(f"/rollouts/{failed}/verdicts").text

    assert "1 of 3 devices reverted" in text
    assert "1 of 3 (33.3 %)" in text
    assert 'class="point bad"' in text
    assert "one-sided bounds at 90 %" in text


def test_a_metric_is_drawn_from_its_stored_quantiles(rig: Rig, viewer: TestClient, failed: str) -> None:
    with rig.db.write() as session:
        row = session.exec(select(RolloutDecision).where(RolloutDecision.kind == "fail_phase")).one()
        row.detail = {**row.detail, "finding": {**row.detail["finding"], "metrics": [METRIC]}}
        session.add(row)

    text = viewer.get(f"/rollouts/{failed}/verdicts").text

    assert text.count('class="box"') == 2
    assert "surely within 0.7500 to 0.8600" in text
    assert "look 2 of 4" in text
    assert "(1 silent)" in text
    assert "Canary against control" in viewer.get(f"/rollouts/{failed}").text


def test_each_verdict_has_its_own_address(viewer: TestClient, failed: str) -> None:
    page = viewer.get(f"/rollouts/{failed}/verdicts").text
    one = re.search(rf"/rollouts/{failed}/verdicts/(\d+)", page)

    if one is not None:
        assert viewer.get(one.group()).status_code == 200
    assert viewer.get(f"/rollouts/{failed}/verdicts/999999").status_code == 404
    assert viewer.get(f"/rollouts/{failed}/verdicts/x").status_code == 422


def test_before_the_first_verdict_the_page_says_how_to_watch(rig: Rig, viewer: TestClient) -> None:
    rollout_id = Fleet(rig).start()

    assert f"surefoot rollout status {rollout_id} -w" in viewer.get(f"/rollouts/{rollout_id}/verdicts").text
