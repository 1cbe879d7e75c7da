"""The agent's settings: TOML drop-ins and environment become one frozen value, or an error that names key and file.

Promises: every key has a default, a unit, a range and a sentence in `SETTINGS` (docs/settings.md is made from it);
later sources win: /usr/lib, /etc, /run, then the environment; a file given by hand replaces the folders.
Refuses: unknown keys, values of the wrong type or out of range, unreadable files. Nothing is guessed or ignored.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from surefoot_shared.errors import ConfigError
from surefoot_shared.release import NAME

try:  # one of the two is missing on every interpreter, so mypy is told not to look
    import tomllib  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]

DROP_IN_DIRS = tuple(Path(root) / "surefoot/agent.d" for root in ("/usr/lib", "/etc", "/run"))
ENV_PREFIX = "SUREFOOT_AGENT_"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """What the agent was told; `SETTINGS` explains each field."""

    state_dir: Path = Path("/var/lib/surefoot")
    component: str = "app"
    app_env: Mapping[str, str] = field(default_factory=dict)
    metrics_port: int = 0
    metrics_file: str = ""
    telemetry_interval_s: float = 10.0
    telemetry_keep: int = 20_000
    heartbeat_interval_s: float = 300.0
    https_interval_s: float = 900.0
    guard_budget_s: float = 180.0
    guard_poll_s: float = 0.5
    max_starts: int = 3
    reserve_bytes: int = 64 * MIB
    reserve_inodes: int = 1_000
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    min_speed_bytes_per_s: int = 1_024
    min_speed_window_s: float = 60.0
    rate_bytes_per_s: int = 0
    restart_delay_s: float = 1.0
    restart_delay_max_s: float = 60.0
    log_limit_bytes: int = 4 * MIB
    log_level: str = "INFO"


@dataclass(frozen=True)
class Setting:
    """One row of the table: what a key means, its unit and its range (both ends belong to it)."""

    key: str
    unit: str
    meaning: str
    low: float | None = None
    high: float | None = None

    @property
    def default(self) -> object:
        return getattr(Settings(), self.key)


SETTINGS: tuple[Setting, ...] = (
    Setting("state_dir", "path", "Folder on the data partition that holds identity, journal, slots and metadata."),
    Setting("component", "name", "The component this agent updates."),
    Setting("app_env", "table", "Environment of the application besides the variables of its contract."),
    Setting(
        "metrics_port", "port", "Port of the application's metrics; 0 picks a free one once and keeps it.", 0, 65535
    ),
    Setting("metrics_file", "path", "Prometheus text file of an application without an endpoint; empty for none."),
    Setting("telemetry_interval_s", "s", "Time between two samples of node and application.", 0.1, 3600),
    Setting("telemetry_keep", "samples", "Samples kept while offline; the oldest go first, counted.", 100, 10_000_000),
    Setting("heartbeat_interval_s", "s", "Time between two reports of a device on which nothing happens.", 5, 86_400),
    Setting(
        "https_interval_s", "s", "Time between two questions over HTTPS while the broker is away; 0: never.", 0, 86_400
    ),
    Setting(
        "guard_budget_s", "s", "Time per start of a trial after which, without a verdict, the guard goes back.", 5, 7200
    ),
    Setting("guard_poll_s", "s", "Time between two looks of the guard at the trial.", 0.05, 10),
    Setting("max_starts", "starts", "Starts that one trial may use before it is reverted.", 1, 20),
    Setting("reserve_bytes", "B", "Free space that an update never touches, for journal and revert.", 0, 1 << 40),
    Setting("reserve_inodes", "files", "Free inodes that an update never touches.", 0, 10_000_000),
    Setting("connect_timeout_s", "s", "Time to reach a download source.", 0.1, 300),
    Setting("read_timeout_s", "s", "Silence of a download source after which it is left.", 0.1, 300),
    Setting("min_speed_bytes_per_s", "B/s", "Average speed below which a source is left; 0 never leaves.", 0, 1 << 40),
    Setting("min_speed_window_s", "s", "Time over which the average speed is taken.", 0.1, 3600),
    Setting(
        "rate_bytes_per_s", "B/s", "Download rate never exceeded, whatever a lease allows; 0 for no limit.", 0, 1 << 40
    ),
    Setting(
        "restart_delay_s", "s", "Wait before the first restart of a dead application; doubles each time.", 0.01, 3600
    ),
    Setting("restart_delay_max_s", "s", "Longest wait before a restart of a dead application.", 0.01, 86_400),
    Setting(
        "log_limit_bytes", "B", "Size at which the application's log is rotated; one older log is kept.", 4096, 1 << 32
    ),
    Setting("log_level", "level", f"Least severe line that is logged: {', '.join(LOG_LEVELS)}."),
)
_TABLE = {setting.key: setting for setting in SETTINGS}


def load(
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    dirs: Iterable[Path] = DROP_IN_DIRS,
) -> Settings:
    """Read `file` alone, or every `*.toml` of `dirs` in order, then the environment. Raises ConfigError."""
    given: dict[str, object] = {}
    for path in [file] if file is not None else _drop_ins(dirs):
        _merge(given, _read(path), str(path))
    _merge(given, _from_env(os.environ if env is None else env), "the environment")
    settings = Settings(**given)  # type: ignore[arg-type]  # every value was converted by _convert
    if settings.restart_delay_max_s < settings.restart_delay_s:
        raise ConfigError("config_invalid", "restart_delay_max_s is shorter than restart_delay_s.")
    return settings


def _drop_ins(dirs: Iterable[Path]) -> list[Path]:
    return [path for folder in dirs for path in sorted(folder.glob("*.toml"))]


def _read(path: Path) -> dict[str, object]:
    try:
        return dict(tomllib.loads(path.read_bytes().decode()))
    except OSError as error:
        raise ConfigError("config_unreadable", f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"{path} is no TOML: {error}.") from error


def _from_env(env: Mapping[str, str]) -> dict[str, object]:
    """`SUREFOOT_AGENT_STATE_DIR` sets `state_dir`; tables are written as `A=1 B='two words'`."""
    names = {name.removeprefix(ENV_PREFIX).lower(): text for name, text in env.items() if name.startswith(ENV_PREFIX)}
    for key in names:
        if key not in _TABLE:
            raise _unknown(f"{ENV_PREFIX}{key.upper()}", "the environment")
    return {key: _parse_text(key, text) for key, text in names.items()}


def _parse_text(key: str, text: str) -> object:
    default = _TABLE[key].default
    try:
        if isinstance(default, Mapping):
            return dict(_pair(part) for part in shlex.split(text))
        if isinstance(default, (int, float)):
            return type(default)(text)
    except ValueError as error:
        raise ConfigError("config_invalid", f"{ENV_PREFIX}{key.upper()} is malformed: {error}.") from error
    return text


def _pair(part: str) -> tuple[str, str]:
    name, sign, value = part.partition("=")
    if not sign or not name:
        raise ValueError(f"{part!r} is not NAME=VALUE")
    return name, value


def _merge(given: dict[str, object], values: Mapping[str, object], source: str) -> None:
    for key, value in values.items():
        if key not in _TABLE:
            raise _unknown(key, source)
        converted = _convert(_TABLE[key], value, source)
        earlier = given.get(key)
        both = isinstance(earlier, dict) and isinstance(converted, dict)
        given[key] = {**earlier, **converted} if both else converted  # type: ignore[dict-item]  # both are dicts here


def _unknown(key: str, source: str) -> ConfigError:
    near = [known for known in _TABLE if known.startswith(key.lower().removeprefix(ENV_PREFIX.lower())[:4])]
    hint = f"Did you mean {' or '.join(near)}?" if near else ""
    return ConfigError("config_unknown_key", f"{source} has the unknown key {key}.", hint)


def _convert(setting: Setting, value: object, source: str) -> object:
    where, default = f"{setting.key} in {source}", setting.default
    if isinstance(default, Path):
        return _path(value, where)
    if isinstance(default, Mapping):
        return _table(value, where)
    if isinstance(default, str):
        return _text(setting, value, where)
    return _number(setting, value, where)


def _path(value: object, where: str) -> Path:
    if not isinstance(value, (str, Path)) or not Path(value).is_absolute():
        raise ConfigError("config_invalid", f"{where} must be an absolute path, not {value!r}.")
    return Path(value)


def _table(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ConfigError("config_invalid", f"{where} must be a table of texts.")
    return {str(k): v for k, v in value.items()}


def _text(setting: Setting, value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigError("config_invalid", f"{where} must be a text, not {value!r}.")
    if setting.key == "log_level" and value not in LOG_LEVELS:
        raise ConfigError("config_invalid", f"{where} is {value!r}; known are {', '.join(LOG_LEVELS)}.")
    if setting.key == "component" and not NAME.fullmatch(value):
        raise ConfigError("config_invalid", f"{where} is {value!r}: use lower-case letters, digits, - and _.")
    return value


def _number(setting: Setting, value: object, where: str) -> int | float:
    whole = isinstance(setting.default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
        raise ConfigError("config_invalid", f"{where} must be a {'whole ' if whole else ''}number, not {value!r}.")
    low, high = setting.low, setting.high
    if (low is not None and value < low) or (high is not None and value > high):
        raise ConfigError("config_invalid", f"{where} is {value} {setting.unit}; allowed is {low:g} to {high:g}.")
    return value if whole else float(value)


assert {f.name for f in fields(Settings)} == set(_TABLE), "every setting has its row in SETTINGS"
