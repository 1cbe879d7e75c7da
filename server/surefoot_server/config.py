"""The server's settings: TOML drop-ins, environment and command line become one frozen value, or a clear error.

Promises: later sources win: /usr/lib, /etc, /run, the environment, the command line. What a source may say, and what is
refused, is in `surefoot_shared.settings`; what each key means is in `SETTINGS`.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared.errors import ConfigError
from surefoot_shared.settings import LOG_LEVELS, Setting, Table, drop_ins, log_level

DROP_IN_DIRS = tuple(Path(root) / "surefoot/server.d" for root in ("/usr/lib", "/etc", "/run"))
ENV_PREFIX = "SUREFOOT_SERVER_"
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


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


def _host(text: str) -> str | None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None if HOST.fullmatch(text) else "a host name or address, without scheme and port"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


TABLE = Table(
    Settings,
    ENV_PREFIX,
    (
        Setting("data_dir", "path", "Folder that holds the database, artifacts, secrets and broker files."),
        Setting(
            "keys_dir", "path", "Folder made by `surefoot keys init`; only online/, repository/, bootstrap/ are read."
        ),
        Setting("database_url", "url", "SQLAlchemy URL of the database; empty for SQLite in the data folder."),
        Setting(
            "public_host",
            "host",
            "Name or address under which devices reach this server; it is in its certificate.",
            rule=_host,
        ),
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
        Setting("log_level", "level", f"Least severe line that is logged: {', '.join(LOG_LEVELS)}.", rule=log_level),
    ),
)
SETTINGS = TABLE.rows


def load(
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    dirs: Iterable[Path] = DROP_IN_DIRS,
    given: Mapping[str, object] | None = None,
) -> Settings:
    """Read `file` alone or the drop-ins, then the environment, then `given` (the command line). Raises ConfigError."""
    files = [file] if file is not None else drop_ins(dirs)
    settings = TABLE.load(files, os.environ if env is None else env, given)
    if len({settings.device_port, settings.api_port, settings.mqtt_port}) != 3:
        raise ConfigError("config_invalid", "device_port, api_port and mqtt_port must differ.")
    return settings
