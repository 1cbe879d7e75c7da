"""Every query about enrolment; callers pass the session and so own the transaction."""

from __future__ import annotations

from sqlmodel import Session, col, select

from surefoot_server.devices.models import Device
from surefoot_server.enrolment.models import Enrolment, EnrolToken, FactoryCa, PreauthorisedKey
from surefoot_shared.errors import NotFound


def token(session: Session, token_id: str) -> EnrolToken:
    found = session.get(EnrolToken, token_id)
    if found is None:
        raise NotFound("not_found", f"There is no enrolment token {token_id!r}.")
    return found


def token_to_use(session: Session, token_id: str) -> EnrolToken | None:
    """The token, locked where the database has row locks: two nodes must not take its last use at once."""
    return session.get(EnrolToken, token_id, with_for_update=True)


def tokens(session: Session) -> list[EnrolToken]:
    return list(session.exec(select(EnrolToken).order_by(col(EnrolToken.created_at).desc())))


def enrolment(session: Session, device_id: str) -> Enrolment | None:
    return session.get(Enrolment, device_id)


def enrolments(session: Session, state: str | None) -> list[Enrolment]:
    query = select(Enrolment).order_by(col(Enrolment.requested_at))
    return list(session.exec(query if state is None else query.where(Enrolment.state == state)))


def preauthorised(session: Session) -> list[PreauthorisedKey]:
    return list(session.exec(select(PreauthorisedKey).order_by(PreauthorisedKey.device_id)))


def factory_cas(session: Session) -> list[FactoryCa]:
    """Those that still count."""
    query = select(FactoryCa).where(col(FactoryCa.revoked_at).is_(None))
    return list(session.exec(query.order_by(col(FactoryCa.created_at))))


def factory_ca(session: Session, ca_id: str) -> FactoryCa:
    found = session.get(FactoryCa, ca_id)
    if found is None:
        raise NotFound("not_found", f"There is no factory authority {ca_id!r}.")
    return found


def device(session: Session, device_id: str) -> Device | None:
    return session.get(Device, device_id)
