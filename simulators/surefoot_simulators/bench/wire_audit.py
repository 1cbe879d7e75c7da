"""What the server knows against what the devices did: every event once, every state explained.

Promises: the database is read as the server left it; what is wrong is said in sentences, the first few of each kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.db import Database
from surefoot_server.devices.models import Assignment, DeviceComponent, DeviceEvent
from surefoot_server.rollouts.models import Rollout
from surefoot_shared.status import ROLLOUT_ENDED, Outcome, RolloutState
from surefoot_simulators.fleet.crowd import Crowd
from surefoot_simulators.fleet.devices import SimDevice

SAID = 5
BY_ORDER = frozenset({Outcome.SUPERSEDED.value, Outcome.CANCELLED.value})
"""The server ends an attempt so when it wants something else; what the device did meanwhile is told by its digest."""


def wrong(crowd: Crowd) -> list[str]:
    """Everything that does not fit, in sentences."""
    devices = crowd.fleet.devices
    database = Database(f"sqlite:///{crowd.server.data / 'surefoot.db'}")
    try:
        with database.read() as session:
            kinds = (
                events(session, devices.values()),
                running(session, devices),
                attempts(session, devices),
                rollouts(session),
            )
            return [line for found in kinds for line in _first(found)]
    finally:
        database.dispose()


def events(session: Session, devices: Iterable[SimDevice]) -> Iterator[str]:
    """Each device's events: numbers 1 to the last, each stored once."""
    rows = session.connection().execute(sa.select(col(DeviceEvent.device_id), col(DeviceEvent.seq)))
    stored: dict[str, Counter[int]] = {}
    for name, seq in rows:
        stored.setdefault(name, Counter())[seq] += 1
    for device in devices:
        found = stored.get(device.name, Counter())
        missing = [seq for seq in range(1, device.numbered + 1) if not found[seq]]
        twice = [seq for seq, count in found.items() if count > 1]
        if missing:
            yield f"{device.name}: events {missing[:SAID]} of {device.numbered} were never stored"
        if twice or len(found) > device.numbered:
            yield f"{device.name}: events {twice[:SAID]} are stored twice, {len(found)} of {device.numbered} in all"


def running(session: Session, devices: dict[str, SimDevice]) -> Iterator[str]:
    """The digest that the server shows is the one that runs."""
    rows = session.connection().execute(sa.select(col(DeviceComponent.device_id), col(DeviceComponent.digest)))
    known = {row[0]: row[1] for row in rows}
    for name, device in devices.items():
        if known.get(name) != device.digest:
            yield f"{name}: runs {device.digest[:12]}, and the server says {str(known.get(name))[:12]}"


def attempts(session: Session, devices: dict[str, SimDevice]) -> Iterator[str]:
    """Every attempt has ended, as its device said; what the server ended by order it may have ended otherwise."""
    query = sa.select(
        col(Assignment.id),
        col(Assignment.device_id),
        col(Assignment.open),
        col(Assignment.outcome),
        col(Assignment.state),
    )
    for key, name, is_open, outcome, state in session.connection().execute(query):
        said = devices[name].endings.get(key)
        if is_open and devices[name].attempt is None:
            yield f"{name}: its attempt is open at {state}, and the device is at nothing"
        elif said is not None and outcome not in BY_ORDER and outcome != said.value:
            yield f"{name}: the device said {said.value}, and the server {outcome}"
        elif said is None and outcome == Outcome.COMMITTED.value:
            yield f"{name}: counted as committed, and the device never said so"


def rollouts(session: Session) -> Iterator[str]:
    """Every rollout has an end, and says why."""
    columns = col(Rollout.id), col(Rollout.state), col(Rollout.reason)
    for key, state, reason in session.connection().execute(sa.select(*columns)):
        if RolloutState(state) not in ROLLOUT_ENDED:
            yield f"{key} is {state} at the end"
        if not reason:
            yield f"{key} is {state} without a reason"


def _first(lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return found[:SAID] + ([f"… and {len(found) - SAID} more of this kind"] if len(found) > SAID else [])
