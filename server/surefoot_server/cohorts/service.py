"""Saved cohorts: make them, list them, and turn a name or an expression into the devices that belong now.

Promises: an expression is parsed before it is stored, so a saved cohort always works; a name is told from an expression
by its form alone; a rollout keeps the expression that it began with, so a change is for later ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.cohorts import grammar, sql
from surefoot_server.cohorts.models import Cohort
from surefoot_shared.errors import Conflict, Invalid, NotFound

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
EVERYTHING = "all"
"""A word of the grammar: the whole fleet, so no cohort can be named so."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """`label` is the saved name, or the expression itself where it was given directly."""

    label: str
    expression: str


def create(session: Session, name: str, expression: str, actor: str, now: datetime) -> Cohort:
    """Save an expression under a name; raises Invalid or Conflict."""
    if not NAME.fullmatch(name) or name == EVERYTHING:
        hint = "Use 1 to 64 small letters, digits, dashes or underscores; `all` is taken."
        raise Invalid("malformed", f"{name!r} is not a name for a cohort.", hint)
    grammar.parse(expression)
    if session.get(Cohort, name) is not None:
        raise Conflict("conflict", f"There already is a cohort {name!r}.", "Choose another name.")
    row = Cohort(name=name, expression=expression, created_at=now, created_by=actor)
    session.add(row)
    audit.record(session, actor, "cohort.create", f"cohort:{name}", {"expression": expression}, now)
    return row


def change(session: Session, name: str, expression: str, actor: str, now: datetime) -> Cohort:
    """Let a saved cohort mean something else from now on; raises NotFound or Invalid."""
    row = get(session, name)
    grammar.parse(expression)
    detail = {"before": row.expression, "expression": expression}
    row.expression = expression
    session.add(row)
    audit.record(session, actor, "cohort.change", f"cohort:{name}", detail, now)
    return row


def remove(session: Session, name: str, actor: str, now: datetime) -> None:
    """Forget a saved cohort; who names it is the caller's to know."""
    row = get(session, name)
    session.delete(row)
    session.flush()
    audit.record(session, actor, "cohort.remove", f"cohort:{name}", {"before": row.expression}, now)


def all_cohorts(session: Session) -> list[Cohort]:
    """All of them, by name."""
    return sql.saved(session)


def get(session: Session, name: str) -> Cohort:
    row = session.get(Cohort, name)
    if row is None:
        raise NotFound("not_found", f"There is no cohort {name!r}.", "`surefoot cohort list` shows all.")
    return row


def is_name(text: str) -> bool:
    """Whether it names a saved cohort; any other text is an expression."""
    return NAME.fullmatch(text) is not None and text != EVERYTHING


def resolve(session: Session, text: str) -> Resolved:
    """Take a saved cohort's name or an expression; raises NotFound for an unknown name, Invalid for a wrong one."""
    if is_name(text):
        return Resolved(text, get(session, text).expression)
    grammar.parse(text)
    return Resolved(text, text)


def devices(session: Session, expression: str) -> list[str]:
    """Return the ids of the devices that belong now, sorted."""
    return sql.matching(session, grammar.parse(expression))
