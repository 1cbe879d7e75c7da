"""The audit finds what is missing, double, unexplained or without an end; a clean database has nothing wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.devices.models import Assignment, DeviceComponent, DeviceEvent
from surefoot_server.keys.init import init_keys
from surefoot_server.rollouts.models import Rollout
from surefoot_shared.identity import generate_key
from surefoot_shared.status import Outcome
from surefoot_simulators.bench import wire_audit
from surefoot_simulators.fleet.devices import SimDevice
from tests.server.rig import Rig, make_rig
from tests.server.rollouts.fleet import Fleet

Change = Callable[[Session], object]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    init_keys(tmp_path / "keys", b"passphrase of the tests", datetime.now(timezone.utc))
    with make_rig(tmp_path / "keys", tmp_path / "data") as made:
        yield made


@pytest.fixture
def ended(rig: Rig) -> Fleet:
    """Twelve devices that committed, in a rollout that succeeded."""
    fleet = Fleet(rig)
    fleet.start(policy="phases: [{name: all, percent: 100, bake: 1s}]")
    fleet.commit(*fleet.names)
    for _ in range(3):
        fleet.tick(2)
    return fleet


def devices(fleet: Fleet) -> dict[str, SimDevice]:
    """What the devices themselves would say of that."""
    made, key = {}, generate_key()
    last = sa.select(DeviceEvent.device_id, sa.func.max(DeviceEvent.seq)).group_by(col(DeviceEvent.device_id))
    with fleet.rig.db.read() as session:
        connection = session.connection()
        digests = {
            row[0]: row[1] for row in connection.execute(sa.select(DeviceComponent.device_id, DeviceComponent.digest))
        }
        keys = {row[0]: row[1] for row in connection.execute(sa.select(Assignment.device_id, Assignment.id))}
        counts = {row[0]: row[1] for row in connection.execute(last)}
    for name in fleet.names:
        device = SimDevice(name, key, "app/1.1", str(digests[name]))
        device.numbered, device.endings = counts[name], {keys[name]: Outcome.COMMITTED}
        made[name] = device
    return made


def found(fleet: Fleet, said: dict[str, SimDevice], change: Change = lambda _: None) -> list[str]:
    with fleet.rig.db.write() as session:
        change(session)
    with fleet.rig.db.read() as session:
        kinds: tuple[Iterator[str], ...] = (
            wire_audit.events(session, said.values()),
            wire_audit.running(session, said),
            wire_audit.attempts(session, said),
            wire_audit.rollouts(session),
        )
        return [line for kind in kinds for line in kind]


def test_a_server_that_knows_what_the_devices_did_has_nothing_wrong(ended: Fleet) -> None:
    assert found(ended, devices(ended)) == []


def test_an_event_that_was_never_stored_is_found(ended: Fleet) -> None:
    said = devices(ended)
    said["cam-03"].numbered += 1

    (line,) = found(ended, said)

    assert line.startswith("cam-03: events [")
    assert "were never stored" in line


def test_a_digest_that_does_not_run_is_found(ended: Fleet) -> None:
    said = devices(ended)
    said["cam-04"].digest = "f" * 64

    assert [line.partition(":")[0] for line in found(ended, said)] == ["cam-04"]


def test_an_outcome_that_the_device_never_said_is_found(ended: Fleet) -> None:
    said = devices(ended)
    said["cam-05"].endings = {}
    said["cam-06"].endings = dict.fromkeys(said["cam-06"].endings, Outcome.REVERTED)

    assert sorted(found(ended, said)) == [
        "cam-05: counted as committed, and the device never said so",
        "cam-06: the device said reverted, and the server committed",
    ]


def test_an_attempt_that_nobody_is_at_is_found(ended: Fleet) -> None:
    def reopen(session: Session) -> object:
        values = {"open": True, "outcome": None, "state": "probation"}
        return session.connection().execute(
            sa.update(Assignment).where(col(Assignment.device_id) == "cam-07").values(**values)
        )

    assert found(ended, devices(ended), reopen) == [
        "cam-07: its attempt is open at probation, and the device is at nothing"
    ]


def test_a_rollout_without_an_end_or_a_reason_is_found(ended: Fleet) -> None:
    def stop(session: Session) -> object:
        return session.connection().execute(sa.update(Rollout).values(state="held", reason=""))

    assert found(ended, devices(ended), stop) == ["r1 is held at the end", "r1 is held without a reason"]


def test_only_the_first_few_of_a_kind_are_said() -> None:
    assert wire_audit._first(iter("abcdefgh")) == ["a", "b", "c", "d", "e", "… and 3 more of this kind"]
