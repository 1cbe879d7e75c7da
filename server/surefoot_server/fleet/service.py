"""Bring the fleet's configuration to what a document says: look, compare, and change it in one transaction.

Promises: all of it or nothing; every change has its audit row with before and after; what is removed was counted by the
one who asked for it. Refuses to change a state that nobody looked at, and to remove what something else still names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import yaml
from sqlmodel import Session, col, select

from surefoot_server.audit import service as audit
from surefoot_server.channels import repository as channel_rows
from surefoot_server.channels import service as channels
from surefoot_server.cohorts import service as cohorts
from surefoot_server.drills.models import DrillSchedule
from surefoot_server.fleet import document, webhooks
from surefoot_server.fleet.changes import Change, Fields, State, changes, counted, left, mark
from surefoot_server.fleet.document import Known
from surefoot_server.fleet.webhooks import Webhooks
from surefoot_server.notify.service import Order
from surefoot_server.policies import service as policies
from surefoot_server.rollouts.document import normal
from surefoot_shared.errors import Conflict

SECTIONS = {"policy": "policies", "cohort": "cohorts", "channel": "channels", "webhook": "webhooks"}
Act = Callable[[Session, Change, str, datetime], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """`left` is what the document lacks and nobody asked to remove; `base` names the state that was looked at.

    `wanted` is the document itself, with addresses; `secrets` are those that applying made, by webhook.
    """

    changes: Sequence[Change]
    left: Sequence[tuple[str, str]]
    base: str
    wanted: State = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def state(session: Session) -> State:
    """What there is, in the form in which documents are compared."""
    return {
        "policy": {row.name: {"policy": normal(row.text)} for row in policies.saved(session)},
        "cohort": {row.name: {"expression": row.expression} for row in cohorts.all_cohorts(session)},
        "channel": {
            row.name: {
                "after": row.after or "",
                "cohort": row.cohort,
                "policy": row.policy if policies.is_name(row.policy) else normal(row.policy),
                "requires": normal(row.requires),
            }
            for row in channel_rows.channels(session)
        },
        webhooks.KIND: webhooks.state(session),
    }


def plan(session: Session, text: str, hooks: Webhooks, *, prune: bool = False) -> Plan:
    """What the document would change; raises Invalid naming line and field."""
    now = state(session)
    said = document.parse(text, _known(now))
    wanted = dict(said)
    if webhooks.KIND in said:
        wanted[webhooks.KIND] = hooks.compared(session, said[webhooks.KIND])
    return Plan(changes(now, wanted, prune=prune), () if prune else left(now, wanted), mark(now), said)


def check(session: Session, text: str, hooks: Webhooks, *, prune: bool) -> list[Order]:
    """The webhooks that applying the document would add or change: their hosts are asked for before it is applied."""
    found = plan(session, text, hooks, prune=prune)
    return hooks.orders(session, found.changes, found.wanted.get(webhooks.KIND, {}))


def apply(
    session: Session, text: str, prune: int | None, base: str | None, hooks: Webhooks, by: str, now: datetime
) -> Plan:
    """Do it. `prune` is how many things may be removed, and it must be right; `base` is what a plan was made for."""
    found = plan(session, text, hooks, prune=prune is not None)
    if base is not None and base != found.base:
        raise Conflict("conflict", "The configuration changed since it was compared.", "Look at the difference again.")
    gone = [c for c in found.changes if c.act == "remove"]
    if prune is not None and len(gone) != prune:
        raise Conflict(
            "conflict",
            f"The document lacks {len(gone)} of the things that are there, not {prune}.",
            "`surefoot diff` lists them; give --prune their number.",
        )
    orders = {o.name: o for o in hooks.orders(session, found.changes, found.wanted.get(webhooks.KIND, {}))}
    made: dict[str, str] = {}
    for change in found.changes:
        if change.kind == webhooks.KIND:
            made[change.name] = hooks.act(session, change, orders, by, now)
        else:
            ACTS[change.kind, change.act](session, change, by, now)
    session.flush()
    _still_whole(session, gone)
    if found.changes:
        detail = {"changes": counted(found.changes), "document": hashlib.sha256(text.encode()).hexdigest()}
        audit.record(session, by, "fleet.apply", "fleet", detail, now)
    return replace(found, secrets={name: secret for name, secret in made.items() if secret})


def export(now: State) -> str:
    """The state as a document; applied again it changes nothing."""
    top: list[tuple[yaml.Node, yaml.Node]] = [(_text("version"), yaml.ScalarNode("tag:yaml.org,2002:int", "1"))]
    for kind, section in SECTIONS.items():
        if now.get(kind):
            top.append((_text(section), _map([(_text(n), _written(kind, f)) for n, f in sorted(now[kind].items())])))
    written = yaml.serialize(_map(top), Dumper=yaml.SafeDumper, allow_unicode=True, width=120)
    assert isinstance(written, str)  # without a stream and an encoding it is text
    return written


def _written(kind: str, fields: Fields) -> yaml.Node:
    if kind == "policy":
        return _inline(fields["policy"])
    if kind == "cohort":
        return _text(fields["expression"])
    if kind == webhooks.KIND:
        said = webhooks.exported(fields)
        return _map([(_text(n), _inline(f"[{t}]") if n == "kinds" else _text(t)) for n, t in said.items()])
    inline = {"requires"} | (set() if policies.is_name(fields["policy"]) else {"policy"})
    return _map([(_text(n), _inline(t) if n in inline else _text(t)) for n, t in fields.items() if t])


def _inline(text: str) -> yaml.Node:
    return yaml.compose(text, Loader=yaml.SafeLoader) or _map([])


def _text(text: str) -> yaml.Node:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text)


def _map(pairs: list[tuple[yaml.Node, yaml.Node]]) -> yaml.Node:
    return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=False)


def _known(now: State) -> Known:
    after = {name: fields["after"] for name, fields in now["channel"].items()}
    return Known(now["policy"].keys(), now["cohort"].keys(), after, now[webhooks.KIND].keys())


def _still_whole(session: Session, gone: Sequence[Change]) -> None:
    """Nothing that is left names what was removed."""
    for change in gone:
        rows = channel_rows.channels(session)
        users = [f"channel {row.name}" for row in rows if change.name == getattr(row, change.kind, None)]
        if change.kind == "cohort":
            query = select(DrillSchedule).where(DrillSchedule.cohort == change.name)
            query = query.where(col(DrillSchedule.stopped_at).is_(None))
            users += [f"drill schedule {row.id}" for row in session.exec(query)]
        if users:
            raise Conflict(
                "conflict",
                f"The {change.kind} {change.name} cannot be removed: {', '.join(users)} names it.",
                "Keep it in the document, or change what names it first.",
            )


def _after(change: Change) -> Mapping[str, str]:
    return change.after or {}


def _save_policy(session: Session, change: Change, by: str, now: datetime) -> object:
    return policies.save(session, change.name, _after(change)["policy"], by, now)


def _add_channel(session: Session, change: Change, by: str, now: datetime) -> object:
    said = _after(change)
    return channels.create(
        session, change.name, said["after"] or None, said["cohort"], said["policy"], said["requires"], by, now
    )


def _change_channel(session: Session, change: Change, by: str, now: datetime) -> object:
    said = _after(change)
    return channels.change(
        session, change.name, said["after"] or None, said["cohort"], said["policy"], said["requires"], by, now
    )


ACTS: Mapping[tuple[str, str], Act] = {
    ("policy", "add"): _save_policy,
    ("policy", "change"): _save_policy,
    ("policy", "remove"): lambda session, change, by, now: policies.remove(session, change.name, by, now),
    ("cohort", "add"): lambda session, change, by, now: cohorts.create(
        session, change.name, _after(change)["expression"], by, now
    ),
    ("cohort", "change"): lambda session, change, by, now: cohorts.change(
        session, change.name, _after(change)["expression"], by, now
    ),
    ("cohort", "remove"): lambda session, change, by, now: cohorts.remove(session, change.name, by, now),
    ("channel", "add"): _add_channel,
    ("channel", "change"): _change_channel,
    ("channel", "remove"): lambda session, change, by, now: channels.retire(session, change.name, by, now),
}
