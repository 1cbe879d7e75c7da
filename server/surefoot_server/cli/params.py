"""Kinds of arguments that several commands take: durations, pairs, names, tags, numbers in a range; and paths of them.

Promises: what is refused here is refused before anything is sent, in a sentence that names the option and its range.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

if TYPE_CHECKING:  # generic for the type checker since click 8.4, a plain class at run time before
    _Kind = click.ParamType[Any]
else:
    _Kind = click.ParamType


NAME_CHARACTERS = 200
TAG_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
"""What the server takes as a device's tag."""
YEAR_S = 365 * 86_400.0


class Duration(_Kind):
    """10s, 30m, 6h, 2d → seconds, from `low_s` to a year."""

    name = "duration"

    def __init__(self, low_s: float = 0.0) -> None:
        self._low_s = low_s

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        from surefoot_server.rollouts.document import duration_s

        try:
            seconds = duration_s(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if not self._low_s <= seconds <= YEAR_S:
            self.fail(f"{value} is outside {self._low_s:g}s to 365d.", param, ctx)
        return seconds


class Whole(_Kind):
    """A whole number from `low` to `high`."""

    name = "integer"

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not re.fullmatch(r"-?[0-9]{1,9}", text) or not self._low <= int(text) <= self._high:
            self.fail(f"{text} is not a whole number from {self._low} to {self._high}.", param, ctx)
        return int(text)


class Text(_Kind):
    """A text of at most so many characters."""

    name = "text"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if len(text) > self._most:
            self.fail(f"it has {len(text)} characters; {self._most} are allowed.", param, ctx)
        return text


class Name(_Kind):
    """The name or id of one thing: never empty, and never a path, since it becomes part of one."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text.strip():
            self.fail("it is empty; give a name.", param, ctx)
        if len(text) > NAME_CHARACTERS or text in (".", "..") or "/" in text or not text.isprintable():
            self.fail(f"nothing can be called {text[:NAME_CHARACTERS]!r}.", param, ctx)
        return text


class Tag(_Kind):
    """A device's tag."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not TAG_FORM.fullmatch(str(value)):
            allowed = "1 to 64 letters, digits, dots, colons, dashes and underscores, the first a letter or digit"
            self.fail(f"{value!r} is not a tag; allowed are {allowed}.", param, ctx)
        return str(value)


class Pair(_Kind):
    """site=hanoi → ("site", "hanoi")."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return str(value[0]), str(value[1])
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)
        return name, text


DURATION, LIFETIME, PAIR, NAME, TAG = Duration(), Duration(1.0), Pair(), Name(), Tag()


def path(*parts: str) -> str:
    """A path of these parts, quoted: an id with a slash stays one part."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def release_of(text: str) -> tuple[str, str]:
    """COMPONENT/VERSION → both."""
    component, slash, version = text.partition("/")
    if not slash or "/" in version or not {component, version}.isdisjoint(("", ".", "..")):
        raise click.UsageError(f"{text!r} is not COMPONENT/VERSION, such as app/1.1.")
    return component, version
