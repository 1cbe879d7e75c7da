"""Every query about releases."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import String, cast, func
from sqlmodel import Session, col, or_, select

from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.releases.models import Release
from surefoot_shared.errors import NotFound


def find(session: Session, release_id: str) -> Release | None:
    return session.get(Release, release_id)


def get(session: Session, release_id: str) -> Release:
    found = find(session, release_id)
    if found is None:
        raise NotFound("not_found", f"There is no release {release_id!r}.", "`surefoot release list` shows all.")
    return found


def newest_first(session: Session, component: str = "") -> list[Release]:
    query = select(Release)
    if component:
        query = query.where(Release.component == component)
    return list(session.exec(query.order_by(Release.component, col(Release.counter).desc())))


def components(session: Session) -> list[str]:
    """Of which there is a release, by name."""
    return sorted(session.exec(select(Release.component).distinct()))


def running(session: Session) -> dict[str, int]:
    """How many devices run each release."""
    query = (
        select(DeviceComponent.release_id, func.count())
        .where(col(DeviceComponent.release_id).is_not(None))
        .group_by(col(DeviceComponent.release_id))
    )
    return {release: count for release, count in session.exec(query) if release is not None}


@dataclass(frozen=True, slots=True)
class Where:
    """On how many devices a release is: by hardware and by site; who is wanted on it, and who keeps it to go back."""

    running: int
    by_hw: dict[str, int]
    by_site: dict[str, int]
    wanted: int
    other_slot: int


def where(session: Session, release: Release) -> Where:
    """Where a release is; devices that are revoked count no more."""
    mine = (DeviceComponent.component == release.component, col(Device.revoked_at).is_(None))
    query = select(Device.hw, Device.attributes, DeviceComponent.release_id, DeviceComponent.slots).join(
        DeviceComponent, col(DeviceComponent.device_id) == col(Device.id)
    )
    held = col(DeviceComponent.release_id) == release.id, cast(DeviceComponent.slots, String).contains(release.digest)
    hw, sites, other = Counter[str](), Counter[str](), 0
    for name, attributes, runs, _slots in session.exec(query.where(*mine, or_(*held))):
        if runs == release.id:
            hw[name] += 1
            sites[attributes.get("site", "")] += 1
        else:
            other += 1
    wanted = select(func.count()).where(Assignment.release_id == release.id, col(Assignment.open).is_(True))
    return Where(sum(hw.values()), dict(hw.most_common()), dict(sites.most_common()), session.exec(wanted).one(), other)


def adopt_running(session: Session, release: Release) -> None:
    """Name what devices already run: one enrolled with a release baked in says its digest before it is published."""
    query = select(DeviceComponent).where(
        DeviceComponent.digest == release.digest, col(DeviceComponent.release_id).is_(None)
    )
    for part in session.exec(query):
        part.release_id = release.id
        session.add(part)
