"""Webhooks of the fleet's document: how they are compared, and how one is added, changed or removed.

Promises: neither an address nor a secret is in what is compared, so that no plan shows one; an address that is not
given stays. Refuses to change webhooks for somebody who is no administrator: they carry what happens out of the house.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from surefoot_server.events.models import Happening
from surefoot_server.fleet.changes import Change, Fields, Things
from surefoot_server.notify import placing, service
from surefoot_server.notify.models import Form, Webhook
from surefoot_server.notify.service import NotifyService, Order
from surefoot_shared.errors import NotAllowed

KIND = "webhook"
ANOTHER = " (another address)"
"""What a plan says of a new path or token at the same host."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Who may change them, and with what; `allowed` is whether whoever asks is an administrator."""

    notify: NotifyService
    allowed: bool = False

    def compared(self, session: Session, wanted: Things) -> Things:
        """What the document asks for in the form of `state`: `to` is what may be shown of the address."""
        here = {row.name: row for row in service.webhooks(session)}
        return {name: self._compared(said, here.get(name)) for name, said in wanted.items()}

    def orders(self, session: Session, changes: Sequence[Change], wanted: Things) -> list[Order]:
        """What is to be added or changed, with the addresses; raises NotAllowed."""
        mine = [change for change in changes if change.kind == KIND]
        if mine and not self.allowed:
            hint = "An administrator applies the part `webhooks`; left out, the rest is applied without it."
            raise NotAllowed("not_allowed", "Only administrators change webhooks.", hint)
        return [self._order(session, change.name, wanted[change.name]) for change in mine if change.after is not None]

    def act(self, session: Session, change: Change, orders: Mapping[str, Order], by: str, now: datetime) -> str:
        """Do one change; returns a new signing secret, "" where there is none."""
        match change.act:
            case "add":
                return self.notify.add(session, orders[change.name], by, now)[1]
            case "change":
                return self.notify.change(session, orders[change.name], by, now)
        self.notify.remove(session, change.name, by, now)
        return ""

    def _compared(self, said: Fields, row: Webhook | None) -> Fields:
        known = self.notify.receiver(row).url if row is not None else ""
        to = placing.place(Form(said["form"]), said["url"] or known)
        if row is not None and said["url"] and said["url"] != known and to == row.place:
            to += ANOTHER
        return {"to": to, **{name: text for name, text in said.items() if name != "url"}}

    def _order(self, session: Session, name: str, said: Fields) -> Order:
        url = said["url"] or self.notify.receiver(service.find(session, name)).url
        kinds = [Happening(kind) for kind in said["kinds"].split(", ") if kind]
        return Order(
            name, url, Form(said["form"]), kinds, said["rollout"] or None, said["device"] or None, said["language"]
        )


def state(session: Session) -> Things:
    return {
        row.name: {
            "to": row.place,
            "form": row.form,
            "kinds": ", ".join(sorted(row.kinds)),
            "rollout": row.rollout_id or "",
            "device": row.device_id or "",
            "language": row.language,
        }
        for row in service.webhooks(session)
    }


def exported(fields: Fields) -> Fields:
    """As the document says it: a mailbox is no secret, any other address may hold one and is left out."""
    url = {"url": f"{placing.MAILTO}{fields['to']}"} if fields["form"] == Form.MAIL.value else {}
    return {**url, **{name: text for name, text in fields.items() if name != "to" and text}}
