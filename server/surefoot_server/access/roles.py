"""The four roles, each including the ones before (viewer reads, operator runs rollouts, releaser publishes, admin the
rest), and over what somebody has one: the fleet, a cohort, or a channel. Pure.

Promises: whoever has a role over a cohort alone has none over the fleet; what narrows a token never widens it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from surefoot_shared.errors import Invalid

if TYPE_CHECKING:  # it reads the tables of all domains
    from surefoot_server.access.reach import Reach


class Role(str, Enum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    RELEASER = "releaser"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


class ScopeKind(str, Enum):
    FLEET = "fleet"
    COHORT = "cohort"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """`fleet`, `cohort:NAME` or `channel:NAME`; a channel's reaches its releases and the devices of its cohort."""

    kind: ScopeKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read one; raises Invalid."""
        kind, _, name = text.partition(":")
        if kind not in {k.value for k in ScopeKind} or bool(name) is (kind == ScopeKind.FLEET.value):
            hint = "Scopes are `fleet`, `cohort:NAME` and `channel:NAME`."
            raise Invalid("malformed", f"{text[:100]!r} is no scope.", hint)
        return cls(ScopeKind(kind), name)


FLEET = Scope(ScopeKind.FLEET)


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role over a scope."""

    scope: Scope
    role: Role


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request; `name` is what the audit trail says.

    `role` is what holds for what was asked: of the fleet, unless the route is about one thing in a scope. `person` is
    the same for everything that one person signs in with, so that approvals count people. Without grants `role` is
    over the fleet.
    """

    name: str
    role: Role
    token_id: str
    person: str = ""
    grants: tuple[Grant, ...] = ()
    user_id: str = ""
    reach: Reach | None = None
    """What the request may be about; None is everything."""

    @property
    def identity(self) -> str:
        """What counts where people are counted."""
        return self.person or self.name

    def held(self) -> tuple[Grant, ...]:
        return self.grants or (Grant(FLEET, self.role),)

    def over_fleet(self) -> Role | None:
        return highest(g.role for g in self.held() if g.scope == FLEET)


def highest(roles: Iterable[Role]) -> Role | None:
    return max(roles, key=list(Role).index, default=None)


def lower(one: Role, other: Role) -> Role:
    return other if one.includes(other) else one


def narrowed(token: Iterable[Grant], owner: Iterable[Grant]) -> tuple[Grant, ...]:
    """What a token may do whose owner has these grants: never more than either."""
    held = list(owner)
    found: dict[Scope, Role] = {}
    for mine in token:
        for theirs in held:
            if FLEET not in (mine.scope, theirs.scope) and mine.scope != theirs.scope:
                continue
            scope, role = (theirs.scope if mine.scope == FLEET else mine.scope), lower(mine.role, theirs.role)
            found[scope] = highest((role, found.get(scope, role))) or role
    return tuple(sorted(Grant(scope, role) for scope, role in found.items()))
