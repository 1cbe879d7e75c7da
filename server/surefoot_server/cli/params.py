"""Kinds of arguments that several commands take: durations with a unit, and NAME=VALUE pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # generic for the type checker since click 8.4, a plain class at run time before
    _Kind = click.ParamType[Any]
else:
    _Kind = click.ParamType


class Duration(_Kind):
    """10s, 30m, 6h, 2d → seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        from surefoot_server.rollouts.document import duration_s

        try:
            return duration_s(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Pair(_Kind):
    """site=hanoi → ("site", "hanoi")."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return str(value[0]), str(value[1])
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, text


DURATION, PAIR = Duration(), Pair()
