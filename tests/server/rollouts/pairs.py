"""A fleet of which every device has an application and a model, and what such devices tell of a set."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlmodel import col, select

from surefoot_server.devices import repository as devices
from surefoot_server.devices.models import Assignment, DeviceComponent
from surefoot_shared.messages import SlotReport
from surefoot_shared.status import AttemptState, Outcome, SlotState
from tests.server.rig import NOW, digest, hello, outcome, progress, runs
from tests.server.rollouts.fleet import HW, Fleet


def with_models(fleet: Fleet) -> Fleet:
    """Each device with a model on 1.0; a new one is there."""
    for release in ("model/1.0", "model/2.0"):
        fleet.rig.release(release, HW)
    with fleet.rig.db.write() as session:
        for name in fleet.names:
            fields = {"release_id": "model/1.0", "digest": digest("model/1.0"), "updated_at": NOW}
            session.add(DeviceComponent(device_id=name, component="model", **fields))
    return fleet


def newest(fleet: Fleet, name: str) -> dict[str, Assignment]:
    with fleet.rig.db.read() as session:
        query = select(Assignment).where(Assignment.device_id == name).order_by(col(Assignment.seq))
        return {row.component: row for row in session.exec(query)}


def tells(fleet: Fleet, name: str, component: str, what: Outcome, reason: str | None = None, message: str = "") -> None:
    """How its part of the set ended."""
    row = newest(fleet, name)[component]
    said = outcome(row, fleet._seq(name), what, component=component, reason=reason, message=message)
    fleet.rig.events(name, said, now=fleet.now)


def ends(
    fleet: Fleet, name: str, app: Outcome, model: Outcome, why: Mapping[str, tuple[str, str]] = MappingProxyType({})
) -> None:
    """How the set ended; `why`: component → (reason, message)."""
    for component, what in (("app", app), ("model", model)):
        tells(fleet, name, component, what, *why.get(component, (None, "")))


def reaches(fleet: Fleet, name: str, component: str, state: AttemptState) -> None:
    row = newest(fleet, name)[component]
    fleet.rig.events(name, progress(row, fleet._seq(name), state), now=fleet.now)


def says(fleet: Fleet, name: str, app: str, model: str, empty: tuple[str, ...] = ()) -> None:
    """The device says hello with these running; the slots beside them hold 1.0, or nothing where they are `empty`."""
    parts = []
    for component, release in (("app", app), ("model", model)):
        slots = {"B": SlotReport(SlotState.GOOD, release, digest(release))}
        if component not in empty:
            slots["A"] = SlotReport(SlotState.GOOD, f"{component}/1.0", digest(f"{component}/1.0"))
        parts.append(runs(release, component=component, slots=slots))
    with fleet.rig.db.write() as session:
        seq = fleet._hellos[name] = fleet._hellos.get(name, 0) + 1
        hw = devices.device(session, name).hw
        fleet.rig.devices.hello(session, hello(name, seq, hw=hw, components=tuple(parts)), fleet.now)
