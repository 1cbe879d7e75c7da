"""The server's settings: TOML drop-ins, environment and command line become one frozen value, or an error naming the
key.

Promises: every key has a default, a unit, a range and a sentence in `SETTINGS` (docs/settings.md is made from it);
later sources win: /usr/lib, /etc, /run, the environment, the command line. Refuses unknown keys, wrong types and
values out of range. Nothing is guessed or ignored.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from surefoot_shared.errors import ConfigError

try:  # one of the two is missing on every interpreter, so mypy is told not to look
    import tomllib  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]

DROP_IN_DIRS = tuple(Path(root) / "surefoot/server.d" for root in ("/usr/lib", "/etc", "/run"))
ENV_PREFIX = "SUREFOOT_SERVER_"
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Settings:
    """What the server was told; `SETTINGS` explains each field."""

    data_dir: Path = Path("/var/lib/surefoot-server")
    keys_dir: Path = Path("/etc/surefoot/keys")
    database_url: str = ""
    public_host: str = "localhost"
    listen: str = ""
    device_port: int = 8443
    api_port: int = 8080
    mqtt_port: int = 8883
    tick_s: float = 1.0
    lease_valid_s: float = 3600.0
    session_valid_s: float = 43_200.0
    ingest_queue: int = 10_000
    telemetry_keep_h: float = 168.0
    blob_limit_bytes: int = 16 << 30
    log_level: str = "INFO"

    @property
    def bind(self) -> str:
        """Where devices' listeners bind: as far as the announced host reaches, unless `listen` says otherwise."""
        if self.listen:
            return self.listen
        if self.public_host == "localhost":
            return "127.0.0.1"
        return self.public_host if _is_loopback(self.public_host) else "0.0.0.0"  # noqa: S104

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'surefoot.db'}"

    @property
    def device_url(self) -> str:
        host = f"[{self.public_host}]" if ":" in self.public_host else self.public_host
        return f"https://{host}:{self.device_port}"

    @property
    def blobs_url(self) -> str:
        return f"{self.device_url}/api/v1/blobs/"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def secrets_dir(self) -> Path:
        return self.data_dir / "secrets"

    @property
    def token_file(self) -> Path:
        return self.secrets_dir / "operator.token"


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
    Setting("data_dir", "path", "Folder that holds the database, artifacts, secrets and broker files."),
    Setting("keys_dir", "path", "Folder made by `surefoot keys init`; only online/, repository/, bootstrap/ are read."),
    Setting("database_url", "url", "SQLAlchemy URL of the database; empty for SQLite in the data folder."),
    Setting("public_host", "host", "Name or address under which devices reach this server; it is in its certificate."),
    Setting("listen", "address", "Address that devices' listeners bind; empty: as far as public_host reaches."),
    Setting("device_port", "port", "Port of the HTTPS listener for devices.", 1, 65535),
    Setting("api_port", "port", "Port of the operators' HTTP listener, bound to 127.0.0.1 only.", 1, 65535),
    Setting("mqtt_port", "port", "Port of the MQTT broker.", 1, 65535),
    Setting("tick_s", "s", "Time between two looks of the engine at running rollouts.", 0.05, 60),
    Setting("lease_valid_s", "s", "Time for which a device may download before it asks again.", 5, 86_400),
    Setting("session_valid_s", "s", "Time after which the console asks for the token again.", 60, 2_592_000),
    Setting("ingest_queue", "messages", "Messages of devices that may wait for the writer.", 100, 1_000_000),
    Setting("telemetry_keep_h", "h", "Time for which raw samples are kept.", 1, 87_600),
    Setting("blob_limit_bytes", "B", "Largest artifact that may be uploaded.", 1 << 20, 1 << 44),
    Setting("log_level", "level", f"Least severe line that is logged: {', '.join(LOG_LEVELS)}."),
)
_TABLE = {setting.key: setting for setting in SETTINGS}


def load(
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    dirs: Iterable[Path] = DROP_IN_DIRS,
    given: Mapping[str, object] | None = None,
) -> Settings:
    """Read `file` alone or the drop-ins, then the environment, then `given` (the command line). Raises ConfigError."""
    values: dict[str, object] = {}
    for path in [file] if file is not None else _drop_ins(dirs):
        _merge(values, _read(path), str(path))
    _merge(values, _from_env(os.environ if env is None else env), "the environment")
    _merge(values, {key: value for key, value in (given or {}).items() if value is not None}, "the command line")
    settings = Settings(**values)  # type: ignore[arg-type]  # every value was converted by _convert
    ports = {settings.device_port, settings.api_port, settings.mqtt_port}
    if len(ports) != 3:
        raise ConfigError("config_invalid", "device_port, api_port and mqtt_port must differ.")
    return settings


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return HOST.fullmatch(text) is not None
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
    """`SUREFOOT_SERVER_API_PORT` sets `api_port`."""
    names = {name.removeprefix(ENV_PREFIX).lower(): text for name, text in env.items() if name.startswith(ENV_PREFIX)}
    for key in names:
        if key not in _TABLE:
            raise _unknown(f"{ENV_PREFIX}{key.upper()}", "the environment")
    return {key: _parse_text(key, text) for key, text in names.items()}


def _parse_text(key: str, text: str) -> object:
    default = _TABLE[key].default
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError as error:
            raise ConfigError("config_invalid", f"{ENV_PREFIX}{key.upper()} is {text!r}, not a number.") from error
    return text


def _merge(values: dict[str, object], more: Mapping[str, object], source: str) -> None:
    for key, value in more.items():
        if key not in _TABLE:
            raise _unknown(key, source)
        values[key] = _convert(_TABLE[key], value, source)


def _unknown(key: str, source: str) -> ConfigError:
    start = key.lower().removeprefix(ENV_PREFIX.lower())[:4]
    near = [known for known in _TABLE if known.startswith(start)]
    hint = f"Did you mean {' or '.join(near)}?" if near else ""
    return ConfigError("config_unknown_key", f"{source} has the unknown key {key}.", hint)


def _convert(setting: Setting, value: object, source: str) -> object:
    where, default = f"{setting.key} in {source}", setting.default
    if isinstance(default, Path):
        if not isinstance(value, (str, Path)) or not str(value):
            raise ConfigError("config_invalid", f"{where} must be a path, not {value!r}.")
        return Path(value).absolute()
    if isinstance(default, str):
        return _text(setting, value, where)
    return _number(setting, value, where)


def _text(setting: Setting, value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigError("config_invalid", f"{where} must be a text, not {value!r}.")
    if setting.key == "log_level" and value not in LOG_LEVELS:
        raise ConfigError("config_invalid", f"{where} is {value!r}; known are {', '.join(LOG_LEVELS)}.")
    if setting.key == "public_host" and not _is_host(value):
        raise ConfigError("config_invalid", f"{where} is {value!r}: give a host name or address, no scheme, no port.")
    return value


def _number(setting: Setting, value: object, where: str) -> int | float:
    whole = isinstance(setting.default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise ConfigError("config_invalid", f"{where} must be a {'whole ' if whole else ''}number, not {value!r}.")
    low, high = setting.low, setting.high
    if not (low is None or value >= low) or not (high is None or value <= high):
        raise ConfigError("config_invalid", f"{where} is {value} {setting.unit}; allowed is {low:g} to {high:g}.")
    return value if whole else float(value)


assert {f.name for f in fields(Settings)} == set(_TABLE), "every setting has its row in SETTINGS"
