"""The four roles, each including the ones before: viewer reads, operator runs rollouts, releaser publishes, admin the
rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(str, Enum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    RELEASER = "releaser"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request; `name` is what the audit trail says."""

    name: str
    role: Role
    token_id: str
