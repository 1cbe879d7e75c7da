"""A TOML document whose complaints name line and field: tables are read key by key, and what nobody read is refused.

Promises: an unknown key, a value of another type and one out of its range are told with the line on which they stand.
The parser of the standard library keeps no lines; they are found by reading the text once more.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import Enum
from typing import TypeVar

from surefoot_shared.errors import Invalid

if sys.version_info >= (3, 11):
    import tomllib  # type: ignore[import-not-found, unused-ignore]
else:
    import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]

HEADER = re.compile(r"\s*(\[\[?)\s*([\w.\"-]+)\s*\]\]?\s*(?:#.*)?$")
KEY = re.compile(r"\s*([\w-]+)\s*=")
SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_S = 36_525 * 86400.0
"""A hundred years: what is longer is a slip, and the calendar of Python ends in the year 9999."""
DEPTH_LIMIT = 20
"""A scenario has four; what Python cannot even print is a hundred times as deep."""
HINT = "Correct the file and run it again."
Place = tuple[str | int, ...]
E = TypeVar("E", bound=Enum)
T = TypeVar("T")


def parse(text: str, name: str) -> Table:
    """Return the document's root; raises Invalid where it is no TOML. A byte order mark, as some editors write one, is
    none of it."""
    text = text.removeprefix("\ufeff")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid("malformed", f"{name}: {error}.", HINT) from error
    except RecursionError as error:
        raise Invalid("malformed", f"{name} is nested too deeply.", HINT) from error
    if _is_deep(values):
        raise Invalid("malformed", f"{name} is nested too deeply.", HINT)
    return Table(values, (), name, lines_of(text))


def _is_deep(values: object) -> bool:
    level = [values]
    for _ in range(DEPTH_LIMIT):
        lists = [each for each in level if isinstance(each, list)]
        tables = [list(each.values()) for each in level if isinstance(each, dict)]
        level = [below for each in (*lists, *tables) for below in each]
    return bool(level)


def lines_of(text: str) -> Mapping[Place, int]:
    """Where each table and each key stands. A table of an array has its number in its place."""
    lines: dict[Place, int] = {}
    seen: Counter[Place] = Counter()
    here: Place = ()
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        if inside:  # a text of several lines has keys of its own, which are none of ours
            inside = "" if inside in line else inside
            continue
        if header := HEADER.match(line):
            here = _place(header[2].split("."), header[1] == "[[", seen)
            lines.setdefault(here, number)
        elif key := KEY.match(line):
            lines.setdefault((*here, key[1]), number)
        for quotes in ('"""', "'''"):
            if line.count(quotes) % 2:
                inside = quotes
    return lines


def _place(parts: Sequence[str], array: bool, seen: Counter[Place]) -> Place:
    """The place of a header: each part that is an array is followed by the number of its latest table."""
    place: Place = ()
    for index, part in enumerate(parts):
        place = (*place, part.strip('"'))
        last = index == len(parts) - 1
        if last and array:
            for below in [p for p in seen if p[: len(place)] == place and len(p) > len(place)]:
                if below[len(place)] == seen[place]:
                    del seen[below]
            seen[place] += 1
            place = (*place, seen[place] - 1)
        elif place in seen:
            place = (*place, seen[place] - 1)
    return place


class Table:
    """One table; `done` refuses the keys that were not read."""

    def __init__(self, values: Mapping[str, object], place: Place, name: str, lines: Mapping[Place, int]) -> None:
        self._values, self._place, self._name, self._lines = values, place, name, lines
        self._read: set[str] = set()

    @property
    def line(self) -> int:
        return self._lines.get(self._place, 1)

    def has(self, key: str) -> bool:
        return key in self._values

    def wrong(self, why: str, key: str = "") -> Invalid:
        """The complaint about a key, or about the table."""
        where = self._lines.get((*self._place, key), self.line) if key else self.line
        field = ".".join(str(part) for part in (*self._place, *((key,) if key else ())))
        return Invalid("malformed", f"{self._name}, line {where}: {field or 'document'}: {why}.", HINT)

    def narrowed(self, keys: Collection[str]) -> Table:
        """This table as if only these keys were given: what a kind does not look at has its default."""
        return Table({k: v for k, v in self._values.items() if k in keys}, self._place, self._name, self._lines)

    def done(self, keys: Collection[str] | None = None) -> None:
        """Raise Invalid where a key was given that nobody asked for, or that is none of these."""
        asked = self._read if keys is None else set(keys)
        for key in self._values:
            if key not in asked:
                known = ", ".join(sorted(asked))
                raise self.wrong(f"there is no such key{' here' if keys else ''}; known are {known}", key)

    def text(self, key: str, default: str | None = None) -> str:
        return self._readable(key, self._typed(key, str, "a text", default))

    def name(self, key: str, default: str | None = None) -> str:
        """A text by which something is known: never empty."""
        found = self.text(key, default)
        if key in self._values and not _is_name(found):
            raise self.wrong(f"{found!r} is no name; give one on one line, or leave it out", key)
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        return self._typed(key, bool, "true or false", default)

    def number(self, key: str, default: float | None = None, low: float = 0.0, high: float = 1e15) -> float:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.wrong(f"{value!r} is not a number from {low:g} to {high:g}", key)
        return float(value)

    def whole(self, key: str, default: int | None = None, low: int = 0, high: int = 10**9) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(f"{value!r} is not a whole number from {low} to {high}", key)
        return value

    def span_s(self, key: str, default: float | None = None, low_s: float = 0.0, high_s: float = LONGEST_S) -> float:
        """Seconds of a span such as 10s, 5m, 6h or 2d, never below 0 unless `low_s` is."""
        value = self._take(key, default)
        if isinstance(value, str) and (found := SPAN.fullmatch(value.strip().removeprefix("-"))):
            seconds = float(found[1]) * UNITS[found[2]] * (-1.0 if value.strip().startswith("-") else 1.0)
            if not low_s <= seconds <= high_s:
                raise self.wrong(f"{value!r} is outside {_span(low_s)} to {_span(high_s)}", key)
            return seconds
        if default is not None and value is default:
            return default
        raise self.wrong(f"{value!r} is not a span such as 10s, 5m, 6h or 2d", key)

    def optional_span_s(self, key: str, low_s: float = 0.0) -> float | None:
        return self.span_s(key, low_s=low_s) if self._peek(key) else None

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        value = self._take(key, default)
        if isinstance(value, kind):
            return value
        words = [str(each.value) for each in kind]
        if value not in words:
            raise self.wrong(f"{value!r} is not one of {', '.join(words)}", key)
        return kind(value)

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of texts, or one text."""
        value = self._take(key, list(default))
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong("it is not a list of texts", key)
        return tuple(self._readable(key, each) for each in value)

    def names(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """Texts by which things are known: none of them empty."""
        found = self.texts(key, default)
        for each in found if key in self._values else ():
            if not _is_name(each):
                raise self.wrong(f"{each!r} is no name; give one on one line, or leave it out", key)
        return found

    def mapping(self, key: str) -> dict[str, str | float]:
        """A table of plain texts and numbers."""
        value = self._take(key, {})
        if not isinstance(value, dict) or not all(isinstance(v, (str, int, float)) for v in value.values()):
            raise self.wrong("it is not a table of texts and numbers", key)
        for name, each in value.items():
            if isinstance(each, float) and not math.isfinite(each):
                raise self.wrong(f"{name} is {each}, which is no number; give one, or a text", key)
            self._readable(key, str(each))
        return dict(value)

    def table(self, key: str) -> Table:
        """A table below this one; an empty one where there is none."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            raise self.wrong("it is not a table", key)
        return Table(value, (*self._place, key), self._name, self._lines)

    def tables(self, key: str) -> Iterator[Table]:
        """The tables of an array."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong("it is not an array of tables", key)
        for number, each in enumerate(value):
            yield Table(each, (*self._place, key, number), self._name, self._lines)

    def checked(self, key: str, make: Callable[[], T]) -> T:
        """Build a value of what was read; a ValueError or Invalid of it is about this key."""
        try:
            return make()
        except Invalid as error:
            raise self.wrong(error.message.rstrip("."), key) from error
        except ValueError as error:
            raise self.wrong(str(error).rstrip("."), key) from error

    def _readable(self, key: str, value: str) -> str:
        """Refuses what no terminal and no database takes as text."""
        for each in value:
            if unicodedata.category(each) == "Cc" and each not in "\n\r\t":
                raise self.wrong(f"it has the control character {each!r}; take it out", key)
        return value

    def _peek(self, key: str) -> bool:
        self._read.add(key)
        return key in self._values

    def _take(self, key: str, default: object) -> object:
        self._read.add(key)
        if key in self._values:
            return self._values[key]
        if default is None:
            raise self.wrong("it is missing", key)
        return default

    def _typed(self, key: str, kind: type[T], words: str, default: T | None) -> T:
        value = self._take(key, default)
        if not isinstance(value, kind):
            raise self.wrong(f"{value!r} is not {words}", key)
        return value


def _is_name(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()


def _span(seconds: float) -> str:
    unit = next((unit for unit in ("d", "h", "m") if seconds and not seconds % UNITS[unit]), "s")
    return f"{seconds / UNITS[unit]:g}{unit}"
