"""Whether a cohort expression stays within scopes, whatever becomes of the devices, and how one is made to. Pure.

Promises: what is called within means none but devices of the scopes at any time, by its form alone; devices, which
change, are not asked. Refuses to guess: an expression that only happens to mean devices of the scopes is not within.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from surefoot_server.cohorts import grammar
from surefoot_server.cohorts.grammar import All, Any, Expression


def within(expression: Expression, scopes: Collection[Expression]) -> bool:
    """Whether one of its conditions, or each way of meeting one, asks all that a scope asks."""
    if isinstance(expression, Any):
        return all(within(way, scopes) for way in expression.of)
    asked = _conditions(expression)
    if any(_conditions(scope) <= asked for scope in scopes):
        return True
    return any(within(each, scopes) for each in asked if isinstance(each, Any))


def narrowed(text: str, scopes: Sequence[str]) -> str:
    """The expression among the devices of the scopes; the same text where it already is within."""
    if within(grammar.parse(text), [grammar.parse(scope) for scope in scopes]):
        return text
    own = " or ".join(f"({scope})" for scope in scopes)
    return f"({own}) and ({text})" if len(scopes) > 1 else f"{own} and ({text})"


def _conditions(expression: Expression) -> frozenset[Expression]:
    """All that must hold; none for `all`."""
    if not isinstance(expression, All):
        return frozenset({expression})
    return frozenset(each for part in expression.of for each in _conditions(part))
