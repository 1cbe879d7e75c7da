"""The cohort language: parse an expression once, then ask it of a device in memory.

    hw == 'rpi5' and not tag('lab')
    country in ('VN', 'TH') and version('app') < '1.8.2'
    site ~ 'hn-*' or device == 'cam-17'
    all

Attributes: `hw`, `device`, and the device's own (site, country, channel, …); a missing attribute equals nothing and is
not less or greater than anything, so `site != 'x'` holds where there is no site. `~` is a glob in which only `*` and
`?` are special, and case counts. Order is natural: digits compare as numbers, so '1.10' comes after '1.9'; a version's
pre-release ('1.10-rc1') comes before it. `sql.py` gives the same answers from the database. Source: DESIGN §8.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

from surefoot_shared.errors import Invalid

LIMIT_CHARACTERS = 4000
LIMIT_DEPTH = 50
"""Deeper than any expression a person writes; keeps hostile nesting away from the stack and from SQL's own limit."""

GRAMMAR = r"""
    ?start: either
    ?either: both ("or" both)*
    ?both: term ("and" term)*
    ?term: "not" term          -> negation
         | "(" either ")"
         | "all"                -> everything
         | test
    test: tag | comparison | membership
    tag: "tag" "(" TEXT ")"
    comparison: subject OPERATOR value
    membership: subject "in" "(" value ("," value)* ")"
    subject: "version" "(" TEXT ")" -> version
           | NAME                   -> attribute
    value: TEXT | NUMBER
    OPERATOR: "==" | "!=" | "<=" | ">=" | "<" | ">" | "~"
    NAME: /(?!(all|and|or|not|in|tag|version)\b)[A-Za-z_][A-Za-z0-9_.-]*/
    TEXT: /'[^'\x00-\x1f]*'/ | /"[^"\x00-\x1f]*"/
    NUMBER: /-?\d+(\.\d+)?/
    %import common.WS
    %ignore WS
"""


class Operator(str, Enum):
    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LIKE = "~"


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str


@dataclass(frozen=True, slots=True)
class Version:
    """The version that a component runs."""

    component: str


Subject = Attribute | Version


@dataclass(frozen=True, slots=True)
class Tag:
    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    subject: Subject
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True)
class Membership:
    subject: Subject
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    of: Expression


@dataclass(frozen=True, slots=True)
class All:
    of: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Any:
    of: tuple[Expression, ...]


Expression = Tag | Comparison | Membership | Not | All | Any


@dataclass(frozen=True, slots=True)
class Traits:
    """What an expression may ask of a device."""

    device: str
    hw: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)
    """component → version that runs"""

    def value(self, subject: Subject) -> str | None:
        match subject:
            case Version(component):
                return self.versions.get(component)
            case Attribute("device"):
                return self.device
            case Attribute("hw"):
                return self.hw
            case Attribute(name):
                return self.attributes.get(name)


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Expression:
    """Parse an expression; raises Invalid with the column of the first thing that does not fit."""
    if len(text) > LIMIT_CHARACTERS:
        raise Invalid("malformed", f"The cohort expression is longer than {LIMIT_CHARACTERS} characters.")
    try:
        tree = _parser().parse(text)
        expression: Expression = _Build().transform(tree)
        deep = _depth(expression) > LIMIT_DEPTH
    except UnexpectedInput as error:
        at = text[error.pos_in_stream or 0 :][:20] or "its end" if (error.pos_in_stream or 0) >= 0 else "its end"
        raise Invalid(
            "malformed", f"The cohort expression cannot be read at column {max(error.column, 1)}, near {at!r}.", HINT
        ) from error
    except (VisitError, RecursionError) as error:
        raise Invalid("malformed", "The cohort expression cannot be read.", HINT) from error
    if deep:
        raise Invalid("malformed", f"The cohort expression is nested more than {LIMIT_DEPTH} deep.")
    return expression


HINT = "For example: country == 'VN' and hw ~ 'jetson-*' and not tag('lab'). Texts stand in quotes."


def matches(expression: Expression, traits: Traits) -> bool:
    """Tell whether a device with these traits belongs."""
    match expression:
        case Tag(name):
            return name in traits.tags
        case Comparison(subject, operator, value):
            return holds(traits.value(subject), operator, value, versions=isinstance(subject, Version))
        case Membership(subject, values):
            return traits.value(subject) in values
        case Not(of):
            return not matches(of, traits)
        case All(parts):
            return all(matches(part, traits) for part in parts)
        case Any(parts):
            return any(matches(part, traits) for part in parts)


def holds(actual: str | None, operator: Operator, value: str, *, versions: bool = False) -> bool:
    """Compare one value; None (nothing there) satisfies `!=` alone."""
    if actual is None:
        return operator is Operator.NOT_EQUAL
    match operator:
        case Operator.EQUAL:
            return actual == value
        case Operator.NOT_EQUAL:
            return actual != value
        case Operator.LIKE:
            return bool(_glob(value).fullmatch(actual))
    mine, theirs = order_key(actual, versions=versions), order_key(value, versions=versions)
    match operator:
        case Operator.LESS:
            return mine < theirs
        case Operator.LESS_OR_EQUAL:
            return mine <= theirs
        case Operator.GREATER:
            return mine > theirs
        case Operator.GREATER_OR_EQUAL:
            return mine >= theirs


OrderKey = tuple[tuple[tuple[int, int, str], ...], int, tuple[tuple[int, int, str], ...]]


def order_key(text: str, *, versions: bool = False) -> OrderKey:
    """Natural order; of versions, `-rc1` comes before the release and `+build` does not count (semver 10, 11)."""
    if not versions:
        return _natural(text), 0, ()
    core, dash, pre = text.partition("+")[0].partition("-")
    return _natural(core), 0 if dash else 1, _natural(pre)


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((0, int(p), "") if p[0] in "0123456789" else (1, 0, p) for p in parts)


@functools.lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    special = {"*": ".*", "?": "."}
    return re.compile("".join(special.get(c, re.escape(c)) for c in pattern), re.DOTALL)


@functools.lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=False)


def _depth(expression: Expression) -> int:
    match expression:
        case Not(of):
            return 1 + _depth(of)
        case All(parts) | Any(parts):
            return 1 + max((_depth(part) for part in parts), default=0)
        case _:
            return 1


@v_args(inline=True)
class _Build(Transformer[Token, Expression]):
    """Turn the parse tree into our own values, bottom up."""

    def either(self, *parts: Expression) -> Expression:
        return Any(parts)

    def both(self, *parts: Expression) -> Expression:
        return All(parts)

    def negation(self, of: Expression) -> Expression:
        return Not(of)

    def everything(self) -> Expression:
        return All(())

    def test(self, of: Expression) -> Expression:
        return of

    def tag(self, name: Token) -> Expression:
        return Tag(str(name)[1:-1])

    def comparison(self, subject: Subject, operator: Token, value: str) -> Expression:
        return Comparison(subject, Operator(str(operator)), value)

    def membership(self, subject: Subject, *values: str) -> Expression:
        return Membership(subject, values)

    def version(self, component: Token) -> Subject:
        return Version(str(component)[1:-1])

    def attribute(self, name: Token) -> Subject:
        return Attribute(str(name))

    def value(self, token: Token) -> str:
        return str(token)[1:-1] if token.type == "TEXT" else str(token)
