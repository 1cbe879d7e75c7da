"""Who must agree before a rollout or a phase begins: how many, of which role, and never whoever started it alone. Pure.

Promises: one person counts once, with whatever tokens they have, and the person who started the rollout never counts
(two-person rule). Refuses to remember anything: votes are rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from surefoot_server.access.roles import Principal, Role
from surefoot_server.rollouts.document import Field
from surefoot_shared.errors import Conflict, NotAllowed

WORDS = {
    Role.OPERATOR: ("1 approval by operator", "{} approvals by operator"),
    Role.RELEASER: ("1 approval by releaser", "{} approvals by releaser"),
    Role.ADMIN: ("1 approval by admin", "{} approvals by admin"),
}
"""Texts of their own for each role: within a sentence `admin` alone may as well be somebody's name."""


@dataclass(frozen=True, slots=True)
class Approval:
    """`count` people with the role `by`, or a higher one."""

    by: Role
    count: int = 1

    @property
    def words(self) -> str:
        one, many = WORDS[self.by]
        return one if self.count == 1 else many.format(self.count)


def parse(field: Field) -> Approval | None:
    """Read `{by: releaser, count: 2}`."""
    if field.absent:
        return None
    fields = field.mapping("by", "count")
    role = fields["by"].required().choice(Role, Role.RELEASER)
    if role is Role.VIEWER:
        raise fields["by"].wrong("a viewer only looks; it must be operator, releaser or admin")
    return Approval(role, fields["count"].integer(1, low=1, high=20))


def check(approval: Approval, who: Principal, started_by: str, votes: Collection[str]) -> None:
    """Raise NotAllowed or Conflict where this person's vote cannot count. `started_by` and `votes` are people, whatever
    they signed in with."""
    if not who.role.includes(approval.by):
        raise NotAllowed("not_allowed", f"It needs {approval.words}; {who.name} is {who.role.value}.")
    if who.identity == started_by:
        raise NotAllowed(
            "not_allowed", f"{who.name} started the rollout, so somebody else must approve it.", "Ask a second person."
        )
    if who.identity in votes:
        raise Conflict("conflict", f"{who.name} has approved it already; it needs {approval.words}.")


def missing(approval: Approval, votes: Collection[str]) -> int:
    return max(0, approval.count - len(set(votes)))
