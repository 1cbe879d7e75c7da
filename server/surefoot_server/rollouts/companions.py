"""Releases that a rollout orders together with its own, as one set or not at all: what goes with it, and for whom.

Promises: a device is in such a rollout only where the whole set can be switched to and be taken back: nothing of it is
made for other hardware, newer, unknown or wanted by somebody else. The rollout's own release leads: its attempt ends
as the set did, so there is one verdict. Refuses policies under which members of a set could part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session

from surefoot_server.devices.models import DeviceComponent
from surefoot_server.releases.models import Release
from surefoot_server.rollouts.candidates import candidates
from surefoot_server.rollouts.models import Rollout
from surefoot_server.rollouts.planner import Candidate
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.strategy import Strategy
from surefoot_shared.errors import Conflict
from surefoot_shared.status import Intent

MOST = 8
"""Releases beside the leading one: more components than any device has."""


@dataclass(frozen=True, slots=True)
class Companion:
    """A release that goes with the leading one."""

    release: str
    component: str
    digest: str
    hw: frozenset[str]
    counter: int


def of(release: Release) -> Companion:
    return Companion(release.id, release.component, release.digest, frozenset(release.hw), release.counter)


def kept(companions: Sequence[Companion]) -> list[dict[str, Any]]:
    """As a rollout's row keeps them, in the order of start."""
    return [{"release": c.release, "component": c.component, "digest": c.digest} for c in companions]


def check(policy: Policy, leading: Release, companions: Sequence[Companion]) -> None:
    """Raise Conflict where these cannot be one set under this policy."""
    if not companions:
        return
    components = [leading.component, *(c.component for c in companions)]
    if len(set(components)) < len(components):
        raise Conflict("conflict", "The releases of a set are of different components.")
    if policy.strategy is not Strategy.CANARY or policy.orders_switch:
        message = "A set is rolled out with the strategy canary, without limits of unavailability."
        raise Conflict("conflict", message, "Use another policy, or a rollout for each release.")
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
        if part.running == wanted.digest:
            continue
        if part.running_counter is None:
            return f"the server does not know what its {wanted.component} runs, so the set could not go back"
        if part.running_counter > wanted.counter:
            return f"its {wanted.component} runs something newer than {wanted.release}"
        if device.running == digest:
            return f"it runs {release} already and not {wanted.release}: `surefoot device assign` gives it the rest"
    if device.running_counter is None:
        return "the server does not know what it runs, so the set could not go back"
    return ""


def missing(session: Session, row: Rollout, device_id: str) -> list[str]:
    """The companions that the device does not run yet. Raises Conflict where one could not be taken back."""
    found = []
    for each in row.companions:
        part = session.get(DeviceComponent, (device_id, each["component"]))
        if part is None or part.release_id is None:
            message = f"the server does not know what the {each['component']} of {device_id} runs"
            raise Conflict("conflict", f"{message}, so the set could not go back.")
        if part.digest != each["digest"]:
            found.append(each["release"])
    return found
