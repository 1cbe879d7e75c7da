from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.aftermath import FIRST_S
from surefoot_agent.downlink import BundleArrived
from surefoot_shared.messages import EventKind
from surefoot_shared.release import DataHandling
from surefoot_shared.status import AttemptState, Outcome
from tests.agent.fakes import Device

pytestmark = pytest.mark.usefixtures("unsynced")

FOR_GOOD = DataHandling(irreversible=("run",))


@pytest.fixture
def device(tmp_path: Path) -> Device:
    made = Device(tmp_path)
    made.publish("1.1", data=FOR_GOOD)
    made.assign(made.wish("1.1", "a-1"))
    return made


def notices(device: Device) -> list[str | None]:
    return [x.reason for x in device.server.events.values() if x.kind is EventKind.NOTICE]


def ran(device: Device) -> int:
    return len(device.migrations.ran)


def test_what_is_irreversible_runs_once_and_only_after_the_commit(device: Device) -> None:
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: agent.record.state is AttemptState.PROBATION)
    assert ran(device) == 0

    device.run_until_idle(agent)
    device.play(agent, 600.0)
    device.play(device.start_agent(), 600.0)

    assert device.migrations.ran == ["irreversible 1.0 1.1"]
    assert device.server.outcomes() == [("a-1", Outcome.COMMITTED, None)]


def test_a_release_that_reverts_changes_nothing_for_good(device: Device) -> None:
    device.health.sick = {"1.1"}

    agent = device.start_agent()
    device.run_until_idle(agent)
    device.play(agent, 600.0)

    assert ran(device) == 0


def test_a_failure_is_told_once_and_tried_again_ever_more_seldom(device: Device) -> None:
    device.migrations.fails = {"irreversible"}
    agent = device.start_agent()
    device.run_until_idle(agent)
    device.play(agent, 6.5 * FIRST_S)
    assert (ran(device), notices(device)) == (3, ["migration_failed"])

    device.migrations.fails = set()
    device.play(agent, 8 * FIRST_S)

    assert ran(device) == 4
    assert (device.application.data / "format").read_text() == "2 for good"


def test_nothing_is_begun_while_an_update_goes_on(device: Device) -> None:
    device.migrations.fails = {"irreversible"}
    agent = device.start_agent()
    device.run_until_idle(agent)
    device.server.leases = False
    device.assign(device.wish("1.2", "a-2"))
    assert device.server.bundle is not None
    agent.post(BundleArrived(device.server.bundle))
    device.play(agent, 1.0)
    before = ran(device)

    device.play(agent, 3 * FIRST_S)

    assert agent.record.state is AttemptState.DOWNLOADING
    assert ran(device) == before
    device.migrations.fails = set()
    device.server.bundle = device.assign()  # withdrawn
    agent.post(BundleArrived(device.server.bundle))
    device.play(agent, 3 * FIRST_S)
    assert ran(device) == before + 1
