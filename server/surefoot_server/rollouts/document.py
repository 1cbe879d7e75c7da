"""Read a YAML document field by field, so that every error can name the line and the field it is about.

Promises: nothing is guessed (a duration needs its unit, a key appears once), and a key nobody asked for is an error.
Only plain scalars, lists and mappings are read; no tag can build an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import TypeVar

import yaml

from surefoot_server.cohorts import grammar
from surefoot_shared.errors import Invalid

LIMIT_CHARACTERS = 64 * 1024
"""A policy has some dozens of lines; parsing more would be work for an attacker's benefit."""
BRACKETS_LIMIT = 1000
"""The scanner looks through every open bracket for each new one: 64 kB of them cost the server half a second."""
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
YEAR_S = 365 * 86400.0
Choice = TypeVar("Choice", bound=Enum)


def parse(text: str, about: str = "The policy", limit_characters: int = LIMIT_CHARACTERS) -> Field:
    """Return the document's root; raises Invalid, which begins with `about`, where it is no YAML or too large."""
    if len(text) > limit_characters:
        raise Invalid("malformed", f"{about} has {len(text)} characters; {limit_characters} are allowed.")
    if text.count("[") + text.count("{") > BRACKETS_LIMIT:
        raise Invalid("malformed", f"{about} has more than {BRACKETS_LIMIT} brackets.")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}: " if mark is not None else ""
        raise Invalid("malformed", f"{about}: {at}{getattr(error, 'problem', None) or 'it is no YAML'}.") from error
    except RecursionError as error:
        raise Invalid("malformed", f"{about} is nested too deeply.") from error
    return Field(node, "", about)


def normal(text: str) -> str:
    """The same document in one form, whatever its comments, quotes and indentation; empty stays empty."""
    return parse(text).written().strip() if text.strip() else ""


def duration_s(text: str) -> float:
    """Read 10s, 30m, 1h30m or 2d; raises ValueError saying so."""
    if not DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 10s, 30m, 6h or 2d")
    return sum(float(number) * UNITS_S[unit] for number, unit in PART.findall(text))


class Field:
    """One place of the document: its node, or None where it was left out, and its name for errors."""

    def __init__(
        self, node: yaml.Node | None, name: str, about: str = "The policy", within: yaml.Node | None = None
    ) -> None:
        self._node = node
        self.name = name
        self.about = about
        self._place = node or within
        """Of what it is left out, where it is: its line is the one to look at."""

    @property
    def absent(self) -> bool:
        return self._node is None

    def wrong(self, problem: str) -> Invalid:
        """Make (not raise) the error that this field has this problem."""
        line = f"line {self._place.start_mark.line + 1}: " if self._place is not None else ""
        return Invalid("malformed", f"{self.about}: {line}{self.name or 'the document'}: {problem}.")

    def required(self) -> Field:
        if self._node is None:
            raise self.wrong("it is missing")
        return self

    def mapping(self, *keys: str) -> dict[str, Field]:
        """Return a field for each key, absent or not; any other key, or one given twice, is refused."""
        found = {key: self._at(None, key) for key in keys}
        if self._node is None:
            return found
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong(f"it must be a mapping with {', '.join(keys)}")
        for key_node, value in self._node.value:
            key = str(key_node.value)
            if key not in found:
                raise self._at(key_node, key).wrong(f"this key is not known; known are {', '.join(keys)}")
            if not found[key].absent:
                raise self._at(key_node, key).wrong("this key is given twice")
            found[key] = self._at(value, key)
        return found

    def peek(self, key: str) -> str | None:
        """The single value of a key of a mapping, without judging anything: what kind of mapping it is hangs on it."""
        for key_node, value in self._node.value if isinstance(self._node, yaml.MappingNode) else ():
            if key_node.value == key and isinstance(value, yaml.ScalarNode):
                return str(value.value)
        return None

    def items(self) -> Iterator[Field]:
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.wrong("it must be a list")
        for index, node in enumerate(self._node.value):
            yield Field(node, f"{self.name}[{index}]", self.about)

    def entries(self) -> Iterator[tuple[str, Field]]:
        """Names that the writer chose, each with its place; a name twice is refused."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong("it must be a mapping of names")
        seen = set()
        for key_node, value in self._node.value:
            name = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if name in seen:
                raise self._at(key_node, name).wrong("this name is given twice")
            seen.add(name)
            yield name, self._at(value, name)

    @property
    def single(self) -> bool:
        """It is one value, not a list or a mapping."""
        return isinstance(self._node, yaml.ScalarNode)

    def written(self) -> str:
        """The place as a document of its own, in one form whatever its comments and indentation."""
        if self._node is None:
            return ""
        found = yaml.serialize(self._node, Dumper=yaml.SafeDumper, allow_unicode=True, width=120)
        assert isinstance(found, str)  # without a stream and an encoding it is text
        return found

    def text_or_none(self) -> str | None:
        if self._node is None:
            return None
        text = self._scalar()
        if not text.strip() or len(text) > 1000:
            raise self.wrong("it must be a text of 1 to 1000 characters")
        return text

    def expression_or_none(self) -> str | None:
        """Return a cohort expression that parses."""
        text = self.text_or_none()
        if text is not None:
            try:
                grammar.parse(text)
            except Invalid as error:
                raise self.wrong(error.message.rstrip(".")) from error
        return text

    def moment_or_none(self) -> datetime | None:
        """Read a time with its zone: without one it would be another moment on every machine."""
        if self._node is None:
            return None
        text = self._scalar()
        try:
            at = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError as error:
            raise self.wrong(f"{text!r} is not a time such as 2026-12-01T01:00:00Z") from error
        if at.tzinfo is None:
            raise self.wrong(f"{text!r} has no zone; write 2026-12-01T01:00:00Z or +07:00")
        return at

    def integer(self, default: int, *, low: int, high: int) -> int:
        if self._node is None:
            return default
        text = self._scalar()
        if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
            raise self.wrong(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    def boolean(self, default: bool) -> bool:
        if self._node is None:
            return default
        text = self._scalar()
        if text not in ("true", "false"):
            raise self.wrong(f"{text!r} is not true or false")
        return text == "true"

    def choice(self, kind: type[Choice], default: Choice) -> Choice:
        if self._node is None:
            return default
        text = self._scalar()
        for member in kind:
            if member.value == text:
                return member
        raise self.wrong(f"{text!r} is not one of {', '.join(str(m.value) for m in kind)}")

    def duration_s(self, default: float, *, low: float = 0.0) -> float:
        """Read 10s, 6h or 1h30m; a number without unit is refused, since 6 may be hours or seconds."""
        if self._node is None:
            return default
        text = self._scalar()
        try:
            seconds = duration_s(text)
        except ValueError as error:
            raise self.wrong(str(error)) from error
        if not low <= seconds <= YEAR_S:
            raise self.wrong(f"{text!r} is outside {low:g}s to 365d")
        return seconds

    def ratio(self, default: float, *, low: float = 0.0, high: float = 1.0) -> float:
        """Read 2% or 0.02."""
        if self._node is None:
            return default
        text = self._scalar()
        value = self._number(text[:-1]) / 100 if text.endswith("%") else self._number(text)
        if not low <= value <= high:
            raise self.wrong(f"{text!r} is not a share from {low:g} to {high:g} (2% is 0.02)")
        return value

    def amount(self) -> float:
        """Read 0.97, 25 or -3.5: a figure in the unit of its metric."""
        text = self._scalar()
        return -self._number(text[1:]) if text.startswith("-") else self._number(text)

    def percentage(self) -> float:
        """Read 10 or 10%: percent of the cohort."""
        text = self._scalar()
        value = self._number(text.removesuffix("%"))
        if not 0 < value <= 100:
            raise self.wrong(f"{text!r} is not a percentage above 0 and up to 100")
        return value

    def _number(self, text: str) -> float:
        if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
            raise self.wrong(f"{text!r} is not a number")
        return float(text)

    def _scalar(self) -> str:
        if not isinstance(self._node, yaml.ScalarNode) or self._node.tag == "tag:yaml.org,2002:null":
            raise self.wrong("it must be a single value")
        return str(self._node.value)

    def _at(self, node: yaml.Node | None, key: str) -> Field:
        return Field(node, f"{self.name}.{key}" if self.name else key, self.about, self._place)
