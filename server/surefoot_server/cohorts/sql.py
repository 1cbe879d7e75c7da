"""Ask a cohort expression of the database; the answer is the one that `grammar.matches` gives for each device.

How the two stay the same: missing attributes are turned into false before `not` sees them (SQL's NULL is a third
truth), and order, where databases differ, is decided in memory over the distinct values that occur and becomes
`IN (…)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement, FunctionElement
from sqlmodel import Session, col, select

from surefoot_server.cohorts import grammar
from surefoot_server.cohorts.grammar import (
    Attribute,
    Comparison,
    Expression,
    Membership,
    Operator,
    Subject,
    Tag,
    Version,
)
from surefoot_server.cohorts.models import Cohort
from surefoot_server.devices.models import Device, DeviceComponent, DeviceTag
from surefoot_server.releases.models import Release

Condition = ColumnElement[bool]
Text = ColumnElement[str | None]


def condition(session: Session, expression: Expression) -> Condition:
    """Compile to a condition on `device`; reads the distinct values of attributes that are compared by order."""
    match expression:
        case Tag(name):
            mine = sa.and_(col(DeviceTag.device_id) == col(Device.id), col(DeviceTag.tag) == name)
            return sa.exists().where(mine)
        case Comparison(subject, operator, value):
            return _comparison(session, subject, operator, value)
        case Membership(subject, values):
            return _true(_column(subject).in_(values))
        case grammar.Not(of):
            return sa.not_(condition(session, of))
        case grammar.All(parts):
            return sa.and_(sa.true(), *(condition(session, part) for part in parts))
        case grammar.Any(parts):
            return sa.or_(sa.false(), *(condition(session, part) for part in parts))


def matching(session: Session, expression: Expression) -> list[str]:
    """Return the ids of the devices that belong, sorted."""
    query = select(Device.id).where(condition(session, expression)).order_by(Device.id)
    return list(session.exec(query))


def saved(session: Session) -> list[Cohort]:
    return list(session.exec(select(Cohort).order_by(col(Cohort.name))))


def _comparison(session: Session, subject: Subject, operator: Operator, value: str) -> Condition:
    column = _column(subject)
    match operator:
        case Operator.EQUAL:
            return _true(column == value)
        case Operator.NOT_EQUAL:
            return sa.not_(_true(column == value))
        case Operator.LIKE:
            return _true(_glob(column, sa.literal(value)))
    versions = isinstance(subject, Version)
    occurring: Iterable[str | None] = (
        session.connection().execute(sa.select(column).select_from(Device).distinct()).scalars()
    )
    return _true(
        column.in_([v for v in occurring if v is not None and grammar.holds(v, operator, value, versions=versions)])
    )


def _column(subject: Subject) -> Text:
    match subject:
        case Attribute("device"):
            return sa.type_coerce(col(Device.id), sa.String())
        case Attribute("hw"):
            return sa.type_coerce(col(Device.hw), sa.String())
        case Attribute(name):
            value: Text = col(Device.attributes)[name].as_string()
            return value
        case Version(component):
            return (
                sa.select(col(Release.version))
                .join(DeviceComponent, col(DeviceComponent.release_id) == col(Release.id))
                .where(col(DeviceComponent.device_id) == col(Device.id), col(DeviceComponent.component) == component)
                .correlate(Device)
                .scalar_subquery()
            )


def _true(test: Condition) -> Condition:
    return sa.func.coalesce(test, sa.false(), type_=sa.Boolean())


class _glob(FunctionElement[bool]):
    """`column ~ pattern` with only * and ? special, case counting, in each database's own way."""

    type = sa.Boolean()
    inherit_cache = True
    name = "surefoot_glob"


@compiles(_glob, "sqlite")
def _glob_sqlite(element: _glob, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, pattern = element.clauses
    # GLOB also knows [classes]; a bracket is made plain by putting it into a class of its own.
    plain = sa.func.replace(pattern, "[", "[[]")
    return f"({compiler.process(column, **kwargs)} GLOB {compiler.process(plain, **kwargs)})"


@compiles(_glob)
def _glob_like(element: _glob, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, pattern = element.clauses
    literal: Any = pattern
    for char in ("!", "%", "_"):
        literal = sa.func.replace(literal, char, f"!{char}")
    literal = sa.func.replace(sa.func.replace(literal, "*", "%"), "?", "_")
    return f"({compiler.process(column, **kwargs)} LIKE {compiler.process(literal, **kwargs)} ESCAPE '!')"
