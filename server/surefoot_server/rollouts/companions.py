"""Releases that a rollout orders together with its own, as one set or not at all: what goes with it, and for whom.

Promises: a device is in such a rollout only where the whole set can be switched to and be taken back: nothing of it is
made for other hardware, newer, unknown or wanted by somebody else. The rollout's own release leads: its attempt ends
as the set did, so there is one verdict. Refuses policies under which members of a set could part.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session, col, select

from surefoot_server.devices import sets
from surefoot_server.devices.models import Assignment, DeviceComponent
from surefoot_server.releases.models import Release
from surefoot_server.rollouts.candidates import candidates
from surefoot_server.rollouts.models import Rollout
from surefoot_server.rollouts.planner import Candidate, Offering, too_old
from surefoot_server.rollouts.policy import MOST_COMPANIONS, Policy
from surefoot_server.rollouts.strategy import Strategy
from surefoot_shared.errors import Conflict
from surefoot_shared.status import Intent

REFUSED = {
    Strategy.RECREATE: "a device that gave up one member could not keep the others as they were",
    Strategy.SHADOW: "a release runs beside the live one for itself, and nothing of a set may switch alone",
}
"""Why these strategies take no set."""


@dataclass(frozen=True, slots=True)
class Companion:
    """A release that goes with the leading one."""

    release: str
    component: str
    digest: str
    hw: frozenset[str]
    counter: int
    barred: str = ""
    """Why the policy gives it to nobody, "" where it does not."""
    origin: tuple[str, int] | None = None
    """The release, and its counter, that its component must run at least."""


def of(release: Release, offering: Offering) -> Companion:
    """`offering`: it as the policy sees it."""
    hw, barred, origin = offering.hw, offering.barred, offering.origin
    return Companion(release.id, release.component, release.digest, hw, release.counter, barred, origin)


def kept(companions: Sequence[Companion]) -> list[dict[str, Any]]:
    """As a rollout's row keeps them, in the order of start."""
    return [{"release": c.release, "component": c.component, "digest": c.digest} for c in companions]


def check(policy: Policy, leading: Release, companions: Sequence[Companion]) -> None:
    """Raise Conflict where these cannot be one set under this policy."""
    if not companions:
        return
    if len(companions) > MOST_COMPANIONS:
        raise Conflict("conflict", f"At most {MOST_COMPANIONS} releases go with another.")
    components = [leading.component, *(c.component for c in companions)]
    if len(set(components)) < len(components):
        raise Conflict("conflict", "The releases of a set are of different components.")
    if policy.strategy in REFUSED:
        message = f"A set is not rolled out with the strategy {policy.strategy.value}: {REFUSED[policy.strategy]}."
        raise Conflict("conflict", message, "Use canary, rolling or blue-green, or a rollout for each release.")
    if policy.intent is not Intent.UPDATE:
        raise Conflict("conflict", f"A set is rolled out as an update, not as a {policy.intent.value}.")


def with_unfit(
    session: Session, everyone: Sequence[Candidate], leading: Release, companions: Sequence[Companion]
) -> list[Candidate]:
    """The candidates, with why the set as a whole does not fit them."""
    if not companions:
        return list(everyone)
    ids = [candidate.device for candidate in everyone]
    parts = [(c, {p.device: p for p in candidates(session, ids, c.component, [])}) for c in companions]
    return [
        replace(one, unfit=unfit(one, leading.digest, leading.id, [(c, found[one.device]) for c, found in parts]))
        for one in everyone
    ]


def unfit(device: Candidate, digest: str, release: str, parts: Sequence[tuple[Companion, Candidate]]) -> str:
    """Why the whole set does not fit a device, "" where it does; pure. `parts`: the device as each component has it."""
    for wanted, part in parts:
        if device.hw not in wanted.hw:
            return f"{wanted.release}, which goes with it, is not made for {device.hw}"
        if part.claimed_by is not None:
            return f"rollout {part.claimed_by} is still at work on its {wanted.component}"
        if wanted.barred:
            return wanted.barred
        if part.running == wanted.digest:
            continue
        if part.running_counter is None:
            return f"the server does not know what its {wanted.component} runs, so the set could not go back"
        if part.running_counter > wanted.counter:
            return f"its {wanted.component} runs something newer than {wanted.release}"
        if why := too_old(part.running_counter, wanted.origin):
            return f"{why}: of its {wanted.component}"
        if device.running == digest:
            return f"it runs {release} already and not {wanted.release}: `surefoot device assign` gives it the rest"
    if device.running_counter is None:
        return "the server does not know what it runs, so the set could not go back"
    return ""


def before(session: Session, row: Rollout, device_id: str) -> dict[str, str]:
    """component → what it ran before this rollout first gave it its release; those that got none are missing."""
    mine = select(Assignment).where(Assignment.device_id == device_id, Assignment.rollout_id == row.id)
    led = list(session.exec(mine.order_by(col(Assignment.seq))))
    found: dict[str, str] = {}
    for each in [one for leading in led for one in (leading, *sets.others(session, leading))]:
        if each.release_id in row.releases and each.previous_release_id not in (None, *row.releases):
            found.setdefault(each.component, each.previous_release_id or "")
    return found


def missing(session: Session, row: Rollout, device_id: str, given: Collection[str] = ()) -> list[str]:
    """The companions that the device does not run yet, and those of components that the rollout was `given` before.

    Raises Conflict where one could not be taken back.
    """
    found = []
    for each in row.companions:
        part = session.get(DeviceComponent, (device_id, each["component"]))
        if part is None or part.release_id is None:
            message = f"the server does not know what the {each['component']} of {device_id} runs"
            raise Conflict("conflict", f"{message}, so the set could not go back.")
        if part.digest != each["digest"] or each["component"] in given:
            found.append(each["release"])
    return found
