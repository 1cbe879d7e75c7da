"""Settings of agent and server: TOML drop-ins, environment and command line become one frozen value, or an error.

Promises: every key has a default, a unit, a range and a sentence (docs/settings.md is made from the tables); later
sources win; tables are merged key by key. Refuses unknown keys, values of the wrong type or out of range, NULs,
relative paths outside the command line, and unreadable files, in one sentence that names key and source. Nothing is
guessed.
"""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from surefoot_shared.errors import ConfigError

try:  # one of the two is missing on every interpreter, so mypy is told not to look
    import tomllib  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]

S = TypeVar("S")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
FILE_BYTES = 256 * 1024
LINE_CHARACTERS = 4096
"""A key of 8,000 parts takes the reader 250 MB; nobody writes a longer line by hand."""
NUL = "\0"
COMMAND_LINE = "the command line"
ENVIRONMENT = "the environment"
Rule = Callable[[str], "str | None"]


@dataclass(frozen=True)
class Setting:
    """One row: what a key means, its unit and its range (both ends belong to it).

    `rule` looks at a text and returns what it should be instead, or None where it is right. `default` is filled in by
    `Table` from the settings class. `each` makes the key a table of named tables, all with these rows.
    """

    key: str
    unit: str
    meaning: str
    low: float | None = None
    high: float | None = None
    rule: Rule | None = None
    default: object = None
    each: Table[Any] | None = None


def log_level(text: str) -> str | None:
    return None if text in LOG_LEVELS else f"one of {', '.join(LOG_LEVELS)}"


class Table(Generic[S]):
    """The settings of one program: the class that holds them, a row for each field, the prefix in the environment."""

    def __init__(self, settings: type[S], env_prefix: str, rows: Iterable[Setting], *, derived: str = "") -> None:
        """`derived` names the field that no source sets: the reader of the settings fills it in."""
        defaults = settings()
        self._class, self.env_prefix = settings, env_prefix
        self.rows = tuple(dataclasses.replace(row, default=getattr(defaults, row.key)) for row in rows)
        self._by_key = {row.key: row for row in self.rows}
        fields = {field.name for field in dataclasses.fields(settings)}  # type: ignore[arg-type]  # a dataclass
        assert fields - {derived} == set(self._by_key), "every setting has its row"

    def load(self, files: Iterable[Path], env: Mapping[str, str], given: Mapping[str, object] | None = None) -> S:
        """Read the files in order, then the environment, then `given`, where None says nothing. Raises ConfigError."""
        values: dict[str, Any] = {}
        for path in files:
            self._merge(values, read_toml(path), str(path))
        self._merge(values, self._from_env(env), ENVIRONMENT)
        said = {key: value for key, value in (given or {}).items() if value is not None}
        self._merge(values, said, COMMAND_LINE)
        return self._built(values)

    def _built(self, values: Mapping[str, Any]) -> S:
        """Make the value of what was merged; each named table becomes a value of its own."""
        named = {row.key: row.each for row in self.rows if row.each is not None and row.key in values}
        tables = {key: {name: each._built(v) for name, v in values[key].items()} for key, each in named.items()}
        return self._class(**{**values, **tables})

    def _from_env(self, env: Mapping[str, str]) -> dict[str, object]:
        """`PREFIX_STATE_DIR` sets `state_dir`; tables are written as `A=1 B='two words'`."""
        prefix = self.env_prefix
        names = {name.removeprefix(prefix).lower(): text for name, text in env.items() if name.startswith(prefix)}
        for key in names:
            if key not in self._by_key:
                raise self._unknown(f"{prefix}{key.upper()}", ENVIRONMENT)
            if self._by_key[key].each is not None:
                raise ConfigError("config_invalid", f"{key} cannot be set in the environment; write it in a file.")
        return {key: self._parse_text(key, text) for key, text in names.items()}

    def _parse_text(self, key: str, text: str) -> object:
        default = self._by_key[key].default
        try:
            if isinstance(default, Mapping):
                return dict(_pair(part) for part in shlex.split(text))
            if isinstance(default, (int, float)):
                return type(default)(text)
        except ValueError as error:
            raise ConfigError("config_invalid", f"{self.env_prefix}{key.upper()} is malformed: {error}.") from error
        return text

    def _merge(self, values: dict[str, Any], more: Mapping[str, object], source: str) -> None:
        for key, value in more.items():
            if key not in self._by_key:
                raise self._unknown(key, source)
            row, earlier = self._by_key[key], values.get(key)
            if row.each is not None:
                values[key] = row.each._merge_named(row, earlier or {}, value, source)
                continue
            converted = _convert(row, value, source)
            both = isinstance(earlier, dict) and isinstance(converted, dict)
            values[key] = {**earlier, **converted} if both else converted  # type: ignore[dict-item]  # both are dicts

    def _merge_named(self, row: Setting, earlier: Mapping[str, Any], value: object, source: str) -> dict[str, Any]:
        """Lay named tables over those of earlier sources, key by key. `row` is the one whose `each` this table is."""
        if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
            raise ConfigError("config_invalid", f"{row.key} in {source} must be tables: [{row.key}.NAME].")
        merged = {name: dict(table) for name, table in earlier.items()}
        for name, table in value.items():
            _text(row, name, f"The name of [{row.key}.{name}] in {source}")
            self._merge(merged.setdefault(name, {}), table, f"[{row.key}.{name}] of {source}")
        return merged

    def _unknown(self, key: str, source: str) -> ConfigError:
        start = key.lower().removeprefix(self.env_prefix.lower())[:4]
        near = [known for known in self._by_key if known.startswith(start)]
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        return ConfigError("config_unknown_key", f"{source} has the unknown key {key}.", hint)


def drop_ins(folders: Iterable[Path]) -> list[Path]:
    """Every `*.toml` of the folders, folder by folder, by name."""
    return [path for folder in folders for path in sorted(folder.glob("*.toml"))]


def read_toml(path: Path) -> dict[str, object]:
    """Read a file that may be anything; raises ConfigError(config_unreadable), also where it is huge or too deep."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES + 1).decode()
        if len(text) > FILE_BYTES or any(len(line) > LINE_CHARACTERS for line in text.splitlines()):
            raise ConfigError("config_unreadable", f"{path} is too large, or has a line that is.")
        return dict(tomllib.loads(text))
    except OSError as error:
        raise ConfigError("config_unreadable", f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError("config_unreadable", f"{path} is no TOML: {str(error)[:200]}.") from error


def _pair(part: str) -> tuple[str, str]:
    name, sign, value = part.partition("=")
    if not sign or not name:
        raise ValueError(f"{part!r} is not NAME=VALUE")
    return name, value


def _convert(setting: Setting, value: object, source: str) -> object:
    where, default = f"{setting.key} in {source}", setting.default
    if isinstance(default, Path):
        return _path(value, where, source)
    if isinstance(default, Mapping):
        return _table(value, where)
    if isinstance(default, str):
        return _text(setting, value, where)
    return _number(setting, value, where)


def _path(value: object, where: str, source: str) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ConfigError("config_invalid", f"{where} must be a path, not {value!r}.")
    _no_nul(str(value), where)
    path = Path(value)
    if source != COMMAND_LINE and not path.is_absolute():  # a service has no folder of its own to start from
        raise ConfigError("config_invalid", f"{where} must be an absolute path, not {value!r}.")
    return path.absolute()


def _table(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ConfigError("config_invalid", f"{where} must be a table of texts.")
    for name, text in value.items():  # an environment of NAME=VALUE, each of which ends at its first NUL
        if not name or "=" in name:
            raise ConfigError("config_invalid", f"{where} has the name {name!r}; a name is not empty and has no =.")
        _no_nul(f"{name}{text}", f"{name.partition(NUL)[0]} of {where}")
    return {str(k): v for k, v in value.items()}


def _no_nul(text: str, where: str) -> None:
    """Settings end as arguments, environment and paths, and the kernel ends each of these at its first NUL."""
    if NUL in text:
        raise ConfigError("config_invalid", f"{where} holds a NUL, which no text of a setting may have.")


def _text(setting: Setting, value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigError("config_invalid", f"{where} must be a text, not {value!r}.")
    _no_nul(value, where)
    wanted = setting.rule(value) if setting.rule else None
    if wanted:
        raise ConfigError("config_invalid", f"{where} is {value!r}; it must be {wanted}.")
    return value


def _number(setting: Setting, value: object, where: str) -> int | float:
    whole = isinstance(setting.default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
        raise ConfigError("config_invalid", f"{where} must be a {'whole ' if whole else ''}number, not {value!r}.")
    low, high = setting.low, setting.high
    if (low is not None and value < low) or (high is not None and value > high):
        said = f": port is {value}" if setting.unit == "port" else f" is {value} {setting.unit}"
        raise ConfigError("config_invalid", f"{where}{said}; allowed is {low:g} to {high:g}.")
    return value if whole else float(value)
