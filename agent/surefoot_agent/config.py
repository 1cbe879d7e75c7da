"""The agent's settings: TOML drop-ins and environment become one frozen value, or an error that names key and file.

Promises: later sources win: /usr/lib, /etc, /run, then the environment; a file given by hand replaces the folders. What
a source may say, and what is refused, is in `surefoot_shared.settings`; what each key means is in `SETTINGS`.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_agent import components as parts
from surefoot_agent.components import ComponentSettings, component_name
from surefoot_shared.errors import ConfigError
from surefoot_shared.settings import LOG_LEVELS, Setting, Table, drop_ins, log_level

DROP_IN_DIRS = tuple(Path(root) / "surefoot/agent.d" for root in ("/usr/lib", "/etc", "/run"))
ENV_PREFIX = "SUREFOOT_AGENT_"
MIB = 1024 * 1024
CACHE_URL = re.compile(r"https?://[^\s/]+/([^\s?#]*/)?")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

SERVED = ("directory", "image")
"""Kinds of components that the privileged half serves."""


@dataclass(frozen=True)
class Settings:
    """What the agent was told; `SETTINGS` explains each field."""

    state_dir: Path = Path("/var/lib/surefoot")
    component: str = "app"
    components: Mapping[str, ComponentSettings] = field(default_factory=dict)
    app_env: Mapping[str, str] = field(default_factory=dict)
    metrics_port: int = 0
    metrics_file: str = ""
    telemetry_interval_s: float = 10.0
    telemetry_keep: int = 20_000
    heartbeat_interval_s: float = 300.0
    https_interval_s: float = 900.0
    guard_budget_s: float = 180.0
    guard_poll_s: float = 0.5
    watchdog_s: float = 0.0
    greenboot: str = "on"
    check_dir: Path = Path("/etc/surefoot/check")
    check_timeout_s: float = 10.0
    check_interval_s: float = 60.0
    uplink: str = "baseline"
    uplink_window_s: float = 0.0
    max_starts: int = 3
    reserve_bytes: int = 64 * MIB
    reserve_inodes: int = 1_000
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    min_speed_bytes_per_s: int = 1_024
    min_speed_window_s: float = 60.0
    rate_bytes_per_s: int = 0
    caches: str = ""
    cache_discovery: str = "off"
    cache_listen: str = "0.0.0.0:8047"
    cache_bytes: int = 4096 * MIB
    restart_delay_s: float = 1.0
    restart_delay_max_s: float = 60.0
    log_limit_bytes: int = 4 * MIB
    lock_max_s: float = 3600.0
    defer_max_s: float = 14_400.0
    helper_socket: str = ""
    helper_dir: Path = Path("/var/lib/surefoot-helper")
    agent_user: str = ""
    app_user: str = ""
    verify_user: str = ""
    app_socket_dir: str = ""
    log_level: str = "INFO"

    def component_dir(self, component: str) -> Path:
        """Where the component's slots, link and trial are: with whoever may write them."""
        return (self.helper_dir if self.helper_socket else self.state_dir) / component

    def app_socket(self, component: str) -> Path:
        """Where the agent listens to the component's application."""
        if self.app_socket_dir:
            return Path(self.app_socket_dir) / f"{component}.sock"
        return self.component_dir(component) / "app.sock"


def _user(text: str) -> str | None:
    return None if not text or USER.fullmatch(text) else "a user's name"


def _switch(text: str) -> str | None:
    return None if text in ("on", "off") else "on or off"


def _caches(text: str) -> str | None:
    wrong = [url for url in text.split() if not CACHE_URL.fullmatch(url)]
    return f"http://HOST:PORT/blobs/, and not {wrong[0]}" if wrong else None


def _listens(text: str) -> str | None:
    host, _, port = text.rpartition(":")
    return None if host and port.isdigit() and int(port) < 65536 else "an address and a port, as 0.0.0.0:8047"


def _policy(text: str) -> str | None:
    return None if text in ("baseline", "required", "wanted", "off") else "baseline, required, wanted or off"


TABLE = Table(
    Settings,
    ENV_PREFIX,
    (
        Setting("state_dir", "path", "Folder on the data partition that holds identity, journal, slots and metadata."),
        Setting(
            "component",
            "name",
            "The component this agent updates, a folder behind a link; [components.NAME] tables take its place.",
            rule=component_name,
        ),
        Setting(
            "components",
            "tables",
            "The components of this device, a table each; what a table may say is below.",
            rule=component_name,
            each=parts.TABLE,
        ),
        Setting("app_env", "table", "Environment of the application besides the variables of its contract."),
        Setting(
            "metrics_port", "port", "Port of the application's metrics; 0 picks a free one once and keeps it.", 0, 65535
        ),
        Setting("metrics_file", "path", "Prometheus text file of an application without an endpoint; empty for none."),
        Setting("telemetry_interval_s", "s", "Time between two samples of node and application.", 0.1, 3600),
        Setting(
            "telemetry_keep", "samples", "Samples kept while offline; the oldest go first, counted.", 100, 10_000_000
        ),
        Setting(
            "heartbeat_interval_s", "s", "Time between two reports of a device on which nothing happens.", 5, 86_400
        ),
        Setting(
            "https_interval_s",
            "s",
            "Time between two questions over HTTPS while the broker is away; 0: never.",
            0,
            86_400,
        ),
        Setting(
            "guard_budget_s",
            "s",
            "Time per start of a trial after which, without a verdict, the guard goes back.",
            5,
            7200,
        ),
        Setting("guard_poll_s", "s", "Time between two looks of the guard at the trial.", 0.05, 10),
        Setting(
            "watchdog_s",
            "s",
            "Time after a start in which this board resets itself unless a release was committed; 0: it never does.",
            0,
            86_400,
        ),
        Setting("greenboot", "on/off", "Whether greenboot's check folders judge releases here.", rule=_switch),
        Setting("check_dir", "path", "Folder whose required.d and wanted.d hold this device's own check programs."),
        Setting("check_timeout_s", "s", "Time that each program of a check folder may take.", 0.1, 300),
        Setting("check_interval_s", "s", "Time between two runs of a check folder once it has passed.", 1, 3600),
        Setting(
            "uplink",
            "policy",
            "What a release must leave working of the way to the server: baseline, required, wanted or off.",
            rule=_policy,
        ),
        Setting(
            "uplink_window_s",
            "s",
            "Time after a switch in which the way to the server must have worked; 0: all that the guard leaves.",
            0,
            7200,
        ),
        Setting("max_starts", "starts", "Starts that one trial may use before it is reverted.", 1, 20),
        Setting("reserve_bytes", "B", "Free space that an update never touches, for journal and revert.", 0, 1 << 40),
        Setting("reserve_inodes", "files", "Free inodes that an update never touches.", 0, 10_000_000),
        Setting("connect_timeout_s", "s", "Time to reach a download source.", 0.1, 300),
        Setting("read_timeout_s", "s", "Silence of a download source after which it is left.", 0.1, 300),
        Setting(
            "min_speed_bytes_per_s", "B/s", "Average speed below which a source is left; 0 never leaves.", 0, 1 << 40
        ),
        Setting("min_speed_window_s", "s", "Time over which the average speed is taken.", 0.1, 3600),
        Setting(
            "rate_bytes_per_s",
            "B/s",
            "Download rate never exceeded, whatever a lease allows; 0 for no limit.",
            0,
            1 << 40,
        ),
        Setting("caches", "urls", "Caches of the site, nearest first, as http://HOST:8047/blobs/.", rule=_caches),
        Setting("cache_discovery", "on/off", "Whether caches of the site are found by multicast DNS.", rule=_switch),
        Setting("cache_listen", "host:port", "Where `surefoot-agent cache` listens.", rule=_listens),
        Setting("cache_bytes", "B", "Most that the cache keeps on disk; the longest unused goes first.", MIB, 1 << 44),
        Setting(
            "restart_delay_s",
            "s",
            "Wait before the first restart of a dead application; doubles each time.",
            0.01,
            3600,
        ),
        Setting("restart_delay_max_s", "s", "Longest wait before a restart of a dead application.", 0.01, 86_400),
        Setting(
            "log_limit_bytes",
            "B",
            "Size at which the application's log is rotated; one older log is kept.",
            4096,
            1 << 32,
        ),
        Setting("lock_max_s", "s", "Life of the application's lock unless it renews it.", 1, 604_800),
        Setting("defer_max_s", "s", "Time for which the application may put one update off, in all.", 0, 604_800),
        Setting(
            "helper_socket",
            "path",
            "Socket of the privileged half (`surefoot-agent helper`); empty: the agent does everything itself.",
        ),
        Setting("helper_dir", "path", "Folder of the privileged half: slots, trial records, its own root and floors."),
        Setting("agent_user", "name", "Whom the privileged half listens to, besides its own user.", rule=_user),
        Setting("app_user", "name", "Whom the privileged half starts the application as; empty: itself.", rule=_user),
        Setting("verify_user", "name", "Whom the privileged half verifies signatures as; empty: itself.", rule=_user),
        Setting("app_socket_dir", "path", "Folder of the sockets for applications; empty: the component's own folder."),
        Setting("log_level", "level", f"Least severe line that is logged: {', '.join(LOG_LEVELS)}.", rule=log_level),
    ),
)
SETTINGS = TABLE.rows


def load(
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    dirs: Iterable[Path] = DROP_IN_DIRS,
) -> Settings:
    """Read `file` alone, or every `*.toml` of `dirs` in order, then the environment. Raises ConfigError."""
    settings = TABLE.load([file] if file is not None else drop_ins(dirs), os.environ if env is None else env)
    if settings.restart_delay_max_s < settings.restart_delay_s:
        raise ConfigError("config_invalid", "restart_delay_max_s is shorter than restart_delay_s.")
    for component in components_of(settings):
        _check_budgets(settings, component)
    return settings


def _check_budgets(settings: Settings, component: ComponentSettings) -> None:
    """What can never fit is refused here; what a release and the device's folders need, before each update."""
    guard_s, watchdog_s = component.guard_budget_s, settings.watchdog_s
    if 0 < watchdog_s <= guard_s:
        message = f"guard_budget_s is {guard_s:g} s, and this board resets itself after {watchdog_s:g} s (watchdog_s)."
        hint = "Let the guard act first: lower guard_budget_s, or give the watchdog more time."
        raise ConfigError("config_invalid", message, hint)
    if settings.uplink_window_s >= guard_s:
        message = f"uplink_window_s is {settings.uplink_window_s:g} s; the guard waits {guard_s:g} s (guard_budget_s)."
        raise ConfigError("config_invalid", message, "Lower uplink_window_s, or raise guard_budget_s.")
    if settings.check_timeout_s >= guard_s:
        message = f"check_timeout_s is {settings.check_timeout_s:g} s; the guard waits {guard_s:g} s (guard_budget_s)."
        raise ConfigError("config_invalid", message, "Lower check_timeout_s, or raise guard_budget_s.")


def components_of(settings: Settings) -> tuple[ComponentSettings, ...]:
    """Every component of this device, by name, with what the device says where it says nothing itself.

    Raises ConfigError.
    """
    told = settings.components or {settings.component: ComponentSettings()}
    if settings.component not in ("app", *told):
        message = f"component is {settings.component!r}, but the tables are {', '.join(sorted(told))}."
        raise ConfigError("config_invalid", message, "Remove component, or give it its [components.NAME] table.")
    found = tuple(_completed(settings, parts.fitted(name, told[name]), len(told) == 1) for name in sorted(told))
    for component in found if settings.helper_socket else ():
        _refuse_what_the_helper_does_not_serve(component)
    return found


def _refuse_what_the_helper_does_not_serve(component: ComponentSettings) -> None:
    if component.kind not in SERVED:
        message = f"components.{component.name} is of kind {component.kind}; two halves serve {', '.join(SERVED)}."
        raise ConfigError("config_invalid", message, "Remove helper_socket, and run the agent as root.")


def _completed(settings: Settings, own: ComponentSettings, alone: bool) -> ComponentSettings:
    """Lay what a component says over what the device says; a port or a file serves one component only."""
    return dataclasses.replace(
        own,
        app_env={**settings.app_env, **own.app_env},
        guard_budget_s=_own("guard_budget_s", own.name, own.guard_budget_s) or settings.guard_budget_s,
        max_starts=int(_own("max_starts", own.name, own.max_starts)) or settings.max_starts,
        metrics_port=own.metrics_port or (settings.metrics_port if alone else 0),
        metrics_file=own.metrics_file or (settings.metrics_file if alone else ""),
    )


def _own(key: str, name: str, value: float) -> float:
    """What a component says lies in the range of the device's own key, or is 0 for nothing said."""
    low = next(row.low or 0 for row in SETTINGS if row.key == key)
    if 0 < value < low:
        raise ConfigError("config_invalid", f"components.{name}.{key} is {value:g}; the least is {low:g}.")
    return value
