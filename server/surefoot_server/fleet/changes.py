"""What leads from the fleet's configuration as it is to the one that a document asks for; pure.

Promises: the same document twice leaves nothing to do; what is used is made before what uses it and removed after it.
Nothing is removed unless that was asked for, and never a thing of a kind about which the document says nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Fields = Mapping[str, str]
"""What a thing says, field by field, as text; an empty one was left out."""
Things = Mapping[str, Fields]
State = Mapping[str, Things]
"""kind → name → fields; a kind that is not there is not spoken of."""
KINDS = ("policy", "cohort", "channel", "webhook")
"""In the order in which they are made: each may name those before it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is added (`before` is None), removed (`after` is None) or changed."""

    kind: str
    name: str
    before: Fields | None
    after: Fields | None

    @property
    def act(self) -> str:
        return "add" if self.before is None else "remove" if self.after is None else "change"


def changes(now: State, wanted: State, *, prune: bool = False) -> list[Change]:
    """What is to be done, in an order in which it can be."""
    found = [
        Change(kind, name, now.get(kind, {}).get(name), fields)
        for kind in KINDS
        for name, fields in _ordered(wanted.get(kind, {}))
        if now.get(kind, {}).get(name) != fields
    ]
    if prune:
        found += [Change(kind, name, now[kind][name], None) for kind, name in left(now, wanted)]
    return found


def left(now: State, wanted: State) -> list[tuple[str, str]]:
    """Things that the document lacks, of the kinds that it speaks of, in the order in which they can be removed."""
    return [
        (kind, name)
        for kind in reversed(KINDS)
        if kind in wanted
        for name, _ in reversed(list(_ordered(now.get(kind, {}))))
        if name not in wanted[kind]
    ]


def counted(found: Sequence[Change]) -> str:
    """`2 to add, 1 to change, 0 to remove`."""
    return ", ".join(f"{sum(c.act == act for c in found)} to {act}" for act in ("add", "change", "remove"))


def mark(state: State) -> str:
    """A name for exactly this state: what was looked at is what is changed, or nothing is."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _ordered(things: Things) -> Iterator[tuple[str, Fields]]:
    """By name, but each after the one that it names in `after`."""
    waiting = dict(sorted(things.items()))
    while waiting:
        ready = [name for name, fields in waiting.items() if fields.get("after", "") not in waiting]
        for name in ready or list(waiting):  # a circle was refused when the document was read
            yield name, waiting.pop(name)
