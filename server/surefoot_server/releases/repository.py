"""Every query about releases."""

from __future__ import annotations

from sqlalchemy import func
from sqlmodel import Session, col, select

from surefoot_server.devices.models import DeviceComponent
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


def running(session: Session) -> dict[str, int]:
    """How many devices run each release."""
    query = (
        select(DeviceComponent.release_id, func.count())
        .where(col(DeviceComponent.release_id).is_not(None))
        .group_by(col(DeviceComponent.release_id))
    )
    return {release: count for release, count in session.exec(query) if release is not None}


def adopt_running(session: Session, release: Release) -> None:
    """Name what devices already run: one enrolled with a release baked in says its digest before it is published."""
    query = select(DeviceComponent).where(
        DeviceComponent.digest == release.digest, col(DeviceComponent.release_id).is_(None)
    )
    for part in session.exec(query):
        part.release_id = release.id
        session.add(part)
