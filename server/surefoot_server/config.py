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
from urllib.parse import urlsplit

from surefoot_server.notify.addresses import networks
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
    artifact_port: int = 0
    api_port: int = 8080
    mqtt_port: int = 8883
    tick_s: float = 1.0
    lease_valid_s: float = 3600.0
    session_valid_s: float = 43_200.0
    session_idle_s: float = 3_600.0
    console_url: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret_file: str = ""
    oidc_scope: str = "openid profile email"
    oidc_groups_claim: str = "groups"
    oidc_name_claim: str = "preferred_username"
    oidc_roles: str = ""
    events_keep: int = 100_000
    event_streams: int = 200
    webhook_allow: str = ""
    smtp_url: str = ""
    smtp_password_file: str = ""
    mail_from: str = ""
    ingest_queue: int = 10_000
    telemetry_keep_h: float = 168.0
    rollup_keep_h: float = 9_600.0
    blob_limit_bytes: int = 16 << 30
    object_storage: str = ""
    packs_limit_bytes: int = 8 << 30
    broadcast_rate_bytes_per_s: int = 1 << 20
    fleet_rate_bytes_per_s: int = 0
    site_rate_bytes_per_s: int = 0
    device_rate_bytes_per_s: int = 0
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
    def artifacts_url(self) -> str:
        """Of the listener without TLS; empty where there is none."""
        host = f"[{self.public_host}]" if ":" in self.public_host else self.public_host
        return f"http://{host}:{self.artifact_port}/" if self.artifact_port else ""

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


def _networks(text: str) -> str | None:
    try:
        networks(text)
    except ValueError:
        return "networks such as 10.0.0.0/8, with commas between them"
    return None


def _mail_server(text: str) -> str | None:
    parts = urlsplit(text)
    right = not text or (parts.scheme in ("smtp", "smtps") and parts.hostname and parts.password is None)
    return None if right else "smtp://[user@]host[:port] or smtps://…, without a password"


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
            "keys_dir",
            "path",
            "Folder made by `surefoot keys init`; online/, repository/, bootstrap/ and builders/ are read.",
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
        Setting(
            "artifact_port",
            "port",
            "Port for artifacts without TLS, the fastest way and one for caches and CDNs; 0: none.",
            0,
            65535,
        ),
        Setting("api_port", "port", "Port of the operators' HTTP listener, bound to 127.0.0.1 only.", 1, 65535),
        Setting("mqtt_port", "port", "Port of the MQTT broker.", 1, 65535),
        Setting("tick_s", "s", "Time between two looks of the engine at running rollouts.", 0.05, 60),
        Setting("lease_valid_s", "s", "Time for which a device may download before it asks again.", 5, 86_400),
        Setting("session_valid_s", "s", "Time after which the console asks who it is again.", 60, 2_592_000),
        Setting("session_idle_s", "s", "Time without a request after which it asks.", 60, 2_592_000),
        Setting(
            "console_url",
            "url",
            "Where a proxy with TLS lets people reach the console: `https://ota.example.com`; empty: none.",
        ),
        Setting(
            "events_keep", "entries", "Entries of the event feed that a reader may come back to.", 1_000, 10_000_000
        ),
        Setting("event_streams", "streams", "Event streams that may be open at once.", 1, 10_000),
        Setting("oidc_issuer", "url", "Identity provider that people sign in with (OpenID Connect); empty: none."),
        Setting("oidc_client_id", "text", "What the provider calls this server."),
        Setting("oidc_client_secret_file", "path", "File with the client's secret; empty: a public client."),
        Setting("oidc_scope", "text", "What the provider is asked for."),
        Setting("oidc_groups_claim", "text", "Claim with a person's groups."),
        Setting("oidc_name_claim", "text", "Claim with the name that a person is shown by."),
        Setting(
            "oidc_roles",
            "text",
            "What groups are given, such as `leads=admin, hanoi=operator@cohort:hanoi`.",
        ),
        Setting(
            "webhook_allow",
            "networks",
            "Networks that webhooks may reach although they are not public: `10.0.0.0/8, 127.0.0.1`; empty: none.",
            rule=_networks,
        ),
        Setting(
            "smtp_url",
            "url",
            "Mail server for notifications: `smtp://user@host:587` (STARTTLS) or `smtps://…`; empty: none.",
            rule=_mail_server,
        ),
        Setting("smtp_password_file", "path", "File with the password of the mail server's user; empty: none."),
        Setting("mail_from", "mailbox", "Sender of mails: `surefoot@example.com`."),
        Setting("ingest_queue", "messages", "Messages of devices that may wait for the writer.", 100, 1_000_000),
        Setting("telemetry_keep_h", "h", "Time for which raw samples are kept.", 1, 87_600),
        Setting(
            "rollup_keep_h", "h", "Time for which hours of samples are kept; five minutes at most 30 days.", 24, 175_200
        ),
        Setting("blob_limit_bytes", "B", "Largest artifact that may be uploaded.", 1 << 20, 1 << 44),
        Setting(
            "object_storage",
            "url",
            "`s3://bucket/prefix` that devices fetch artifacts from; credentials from `AWS_…`; empty: none.",
        ),
        Setting("packs_limit_bytes", "B", "Room for packs, which save devices bytes; 0 makes none.", 0, 1 << 44),
        Setting(
            "broadcast_rate_bytes_per_s",
            "B/s",
            "Pace of blobs over MQTT, for devices that nothing else reaches; 0 sends none.",
            0,
            1 << 40,
        ),
        Setting(
            "site_rate_bytes_per_s", "B/s", "What the devices of a site may download together; 0: no limit.", 0, 1 << 40
        ),
        Setting("fleet_rate_bytes_per_s", "B/s", "What all devices may download together; 0: no limit.", 0, 1 << 40),
        Setting("device_rate_bytes_per_s", "B/s", "What one device may download; 0: no limit.", 0, 1 << 40),
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
    ports = [p for p in (settings.device_port, settings.api_port, settings.mqtt_port, settings.artifact_port) if p]
    if len(set(ports)) != len(ports):
        raise ConfigError("config_invalid", "device_port, api_port, mqtt_port and artifact_port must differ.")
    return settings
