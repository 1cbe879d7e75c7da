"""Read release.toml: how a release is started and what it must prove. The command line wins over it.

    component = "app"
    version = "1.1"
    counter = 101
    svn = 0
    hw = ["rpi5", "jetson-orin"]
    notes = "Counts bicycles."
    [application]
    argv = ["bin/count"]
    [probation]
    soak_s = 60
    [data]
    forward = ["bin/migrate", "up"]
    backward = ["bin/migrate", "down"]
    [[checks]]
    name = "camera"
    kind = "camera"
    params = { url = "http://127.0.0.1:{metrics_port}/metrics", min_fps = 5 }

An unknown key is an error that names it; so is a value of the wrong type or out of range, in `params` too: what each
kind of check may be told is in `surefoot_shared.checks`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared import checks, wire
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.release import Application, DataHandling, HealthCheck, Probation
from surefoot_shared.settings import read_toml


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything but the files; None where neither the file nor the command line says."""

    component: str | None = None
    version: str | None = None
    counter: int | None = None
    svn: int = 0
    hw: tuple[str, ...] = ()
    notes: str = ""
    application: Application | None = None
    probation: Probation = Probation()  # noqa: RUF009 -- frozen, so one default serves all
    checks: tuple[HealthCheck, ...] = ()
    data: DataHandling | None = None


def read_recipe(path: Path) -> Recipe:
    """Parse a recipe; raises ConfigError (config_unreadable, config_unknown_key, config_invalid)."""
    table = read_toml(path)
    _refuse_unknown(table, Recipe, str(path))
    for name, kind in (("application", Application), ("probation", Probation), ("data", DataHandling)):
        _refuse_unknown(table.get(name), kind, f"{path} [{name}]")
    listed = table.get("checks")
    for check in listed if isinstance(listed, list) else []:
        _refuse_unknown(check, HealthCheck, f"{path} [[checks]]")
    try:
        recipe = wire.from_json(Recipe, typing.cast(wire.Json, table))  # what is not JSON (a date) fails by its type
    except Invalid as error:
        hint = "Correct the value; `surefoot release build --help` shows an example."
        raise ConfigError("config_invalid", f"{path}: {error.message}", hint) from error
    wrong = next(filter(None, map(checks.problem, recipe.checks)), None)
    if wrong:
        raise ConfigError("config_invalid", f"{path}: {wrong}.", "docs/health.md lists the parameters of every kind.")
    return recipe


def _refuse_unknown(table: object, kind: type, where: str) -> None:
    known = {field.name for field in dataclasses.fields(kind)}
    for key in table if isinstance(table, Mapping) else ():
        if key not in known:
            hint = f"Known are {', '.join(sorted(known))}."
            raise ConfigError("config_unknown_key", f"{where} has an unknown key {key!r}.", hint)
