"""One component of this device, as it was configured: a frozen value for each `[components.NAME]` table.

Promises: whatever a component says of its own wins over the device's, and is held to the same range; names of kinds and
boot controls are those that exist (`slots.select`, `boot.select`). Refuses a boot control that cannot switch such a
component. What a key means is in `ROWS`; docs/settings.md is made from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_agent.boot import select as boot_select
from surefoot_agent.boot.select import BOOTS
from surefoot_agent.slots import select as slots_select
from surefoot_agent.slots.select import KINDS
from surefoot_shared.errors import ConfigError
from surefoot_shared.release import NAME
from surefoot_shared.settings import Setting, Table


@dataclass(frozen=True)
class ComponentSettings:
    """What the device was told of one component; `name` is that of its table."""

    kind: str = "directory"
    boot: str = "symlink"
    boot_variables: str = "surefoot"
    boot_slots: str = ""
    boot_argument: str = ""
    boot_tries: int = 3
    boot_config: Path = Path("/etc/fw_env.config")
    boot_files: str = ""
    boot_script: str = ""
    slot_a: str = ""
    slot_b: str = ""
    modules: Path = Path("/usr/share/mender/modules/v3")
    module_order: str = "4"
    module_s: float = 600.0
    app_env: Mapping[str, str] = field(default_factory=dict)
    metrics_port: int = 0
    metrics_file: str = ""
    guard_budget_s: float = 0.0
    max_starts: int = 0
    name: str = "app"


AGENT = "agent"
"""The agent as a component of its own device: there is one, and its folder has this name."""
TAKEN = ("cache", "fetch", "identity", "joint", "reports", "trust")
"""Folders of the state folder that are no component's."""


def component_name(text: str) -> str | None:
    if text in TAKEN:
        return f"another name: {', '.join(TAKEN)} are taken"
    return None if NAME.fullmatch(text) else "lower-case letters, digits, - and _"


def _one_of(names: Mapping[str, object]) -> str:
    return f"one of {', '.join(names)}"


ROWS = (
    Setting(
        "kind",
        "name",
        f"What a slot holds: {', '.join(KINDS)}.",
        rule=lambda text: None if text in KINDS else _one_of(KINDS),
    ),
    *slots_select.ROWS,
    Setting(
        "boot",
        "name",
        f"What says which slot the next start enters: {', '.join(BOOTS)}.",
        rule=lambda text: None if text in BOOTS else _one_of(BOOTS),
    ),
    *boot_select.ROWS,
    Setting("app_env", "table", "As app_env of the device, which it is laid over."),
    Setting("metrics_port", "port", "As metrics_port of the device; 0 picks one for this component.", 0, 65535),
    Setting("metrics_file", "path", "As metrics_file of the device, for this component; empty for none."),
    Setting("guard_budget_s", "s", "As guard_budget_s of the device; 0: what the device says.", 0, 7200),
    Setting("max_starts", "starts", "As max_starts of the device; 0: what the device says.", 0, 20),
)
TABLE = Table(ComponentSettings, "", ROWS, derived="name")


def fitted(name: str, told: ComponentSettings) -> ComponentSettings:
    """Return the component under its name. Raises ConfigError where its parts do not fit each other."""
    kinds = BOOTS[told.boot].kinds
    if told.kind not in kinds:
        fitting = [boot for boot, backend in BOOTS.items() if told.kind in backend.kinds]
        message = f"components.{name}: boot {told.boot!r} cannot switch a component of kind {told.kind!r}."
        raise ConfigError("config_invalid", message, f"Set boot to {' or '.join(fitting)}." if fitting else "")
    of_boot = BOOTS[told.boot].problem(told) or boot_select.unread(told) or boot_select.spaced(told)
    problem = of_boot or slots_select.problem_of(told)
    if told.kind == "agent" and name != AGENT:
        problem = f"the component of kind agent is called {AGENT}: launcher and guard look for it under that name."
    if problem is not None:
        raise ConfigError("config_invalid", f"components.{name}: {problem}")
    return dataclasses.replace(told, name=name)
