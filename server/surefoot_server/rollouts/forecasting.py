"""Forecast a rollout that is not started yet: the plan of the real cohort, played with what is assumed of the release.

Promises: changes nothing; who is offline is taken from the fleet as it is now unless the assumptions say otherwise; the
work is bounded, so that asking cannot keep the server from its fleet: fewer runs where there are many devices, and the
answer says how many there were. Larger fleets are for `surefoot sim forecast`, which runs elsewhere.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.devices.models import Device
from surefoot_server.rollouts.creation import Planned, check_startable
from surefoot_server.rollouts.forecast import assumed
from surefoot_server.rollouts.forecast.answer import Forecast
from surefoot_server.rollouts.forecast.assumed import Assumed, Offline, There
from surefoot_shared.errors import Invalid

RUNS_LIMIT = 1000
DEVICES_LIMIT = 50_000
DEVICE_RUNS = 150_000
"""Devices times runs of one request: some seconds of one core."""
SEED = 1
"""The same question has the same answer."""


def foretell(session: Session, planned: Planned, assumptions: str, runs: int, now: datetime) -> Forecast:
    """Play the planned rollout; raises Invalid where the assumptions are wrong or the fleet is too large."""
    from surefoot_server.rollouts.forecast.people import from_plan  # with numpy, which a server else never needs
    from surefoot_server.rollouts.forecast.summary import forecast

    check_startable(planned)
    if planned.policy.shadow is not None:
        raise Invalid("malformed", "A shadow switches nothing, so there is no course of it to forecast.")
    people = from_plan(planned.plan)
    there = There(people.hw_names, [objective.metric for objective in planned.policy.gate.metrics])
    given = assumed.release(assumptions, Offline(share=_offline_share(session, planned)), there=there)
    if people.total > DEVICES_LIMIT:
        hint = "Describe the fleet in a file, and run `surefoot sim forecast` on another machine."
        raise Invalid("malformed", f"The server forecasts for up to {DEVICES_LIMIT} devices, not {people.total}.", hint)
    made = max(1, min(runs, RUNS_LIMIT, DEVICE_RUNS // max(1, people.total)))
    return forecast(planned.policy, people, given, made, SEED, now)


def _offline_share(session: Session, planned: Planned) -> float:
    """Of the devices that would get it; at most nine in ten, or nothing could be foretold."""
    members = {member.device for phase in planned.plan.phases for member in phase.members}
    online = sa.select(col(Device.id)).where(col(Device.online).is_(True))
    here = sum(1 for device in session.connection().scalars(online) if device in members)
    return min(0.9, 1 - here / len(members)) if members else Assumed().offline.share
