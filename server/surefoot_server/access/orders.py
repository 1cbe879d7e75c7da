"""What a request names in its body, or means by it, looked at for somebody with a role in scopes; see `Over.ORDER`.

Promises: who has the role over the fleet is never held up; anybody else is refused in the same words whether a thing is
elsewhere or does not exist. What outlasts the request, a saved cohort or a drill's schedule, stays within the scopes
whatever becomes of the devices (`own_cohort`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from fastapi import Request

from surefoot_server.access.guard import elsewhere
from surefoot_server.access.reach import Over, covers
from surefoot_server.access.roles import Principal
from surefoot_server.access.within import narrowed
from surefoot_server.cohorts import grammar
from surefoot_server.cohorts import service as cohorts
from surefoot_server.state import state_of
from surefoot_shared.errors import NotAllowed, NotFound


def check_cohort(request: Request, who: Principal, cohort: str) -> None:
    """Raise NotAllowed where a cohort or expression that a request names means a device out of reach."""
    if who.reach is None:
        return
    with contextlib.suppress(NotFound), state_of(request).db.read(whole=True) as session:
        if covers(session, who.reach, cohorts.resolve(session, cohort).expression):
            return
    raise NotAllowed(
        "not_allowed", f"{who.name} has no role over all devices of {cohort!r}.", "Name a cohort of your own."
    )


def check_release(who: Principal, release_id: str) -> None:
    """Raise NotAllowed where a release that a request names is out of reach."""
    if who.reach is not None and release_id not in who.reach.releases:
        raise elsewhere(who, Over.RELEASE, release_id)


def check_device(who: Principal, device_id: str) -> None:
    """Raise NotAllowed where a device that a request names is out of reach."""
    if who.reach is not None and device_id not in who.reach.devices:
        raise elsewhere(who, Over.DEVICE, device_id)


def check_channel(who: Principal, channel: str) -> None:
    """Raise NotAllowed where a channel that a request names is out of reach."""
    if who.reach is not None and channel not in who.reach.channels:
        raise elsewhere(who, Over.CHANNEL, channel)


def check_devices(who: Principal, devices: Collection[str], what: str) -> None:
    """Raise NotAllowed where one of the devices that a request means is out of reach; `what` they are all of."""
    if who.reach is not None and not (devices and who.reach.devices.issuperset(devices)):
        raise NotAllowed("not_allowed", f"{who.name} has no role over all devices of {what[:100]!r}.")


def own_cohort(who: Principal, cohort: str) -> str:
    """The cohort for whoever names it: an expression means the devices of their scopes. Raises NotAllowed, Invalid."""
    if who.reach is None:
        return cohort
    if not cohorts.is_name(cohort) and who.reach.scopes:
        grammar.parse(cohort)
        return narrowed(cohort, who.reach.scopes)
    if cohort not in who.reach.cohorts:
        raise elsewhere(who, Over.COHORT, cohort)
    return cohort
