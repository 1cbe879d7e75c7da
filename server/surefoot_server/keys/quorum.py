"""How many keys a role has and how many of them must sign: `3/5`, from the command line or a TOML plan.

    fleet = "north"
    components = ["app", "model"]
    [thresholds]
    root = "3/5"            # both roots; image-root and director-root can be given apart
    targets = "2/3"
    release = "2/3"
    [signers]               # keys that are not made here, by securesystemslib URI; they count among the five
    image-root = ["hsm:1?label=first"]

Pure but for `read_plan`. What is not said is 1/1. Refuses a threshold that its keys cannot reach.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_server.keys.layout import DIRECTOR_ROOT, IMAGE_RELEASE, IMAGE_ROOT, IMAGE_TARGETS, OFFLINE, ONLINE
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.settings import read_toml

MOST_KEYS = 16
"""A root of more keys would be larger than devices accept, and nobody gathers so many people."""
SHORT = {"root": (IMAGE_ROOT, DIRECTOR_ROOT), "targets": (IMAGE_TARGETS,), "release": (IMAGE_RELEASE,)}
PLAN_KEYS = ("fleet", "components", "thresholds", "signers")
Signers = Mapping[str, tuple[str, ...]]
"""Role → signer URIs."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """Any `threshold` of `keys` keys sign."""

    threshold: int = 1
    keys: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= self.keys <= MOST_KEYS:
            raise ValueError(f"{self.threshold} of {self.keys} is no threshold that can be met")

    def __str__(self) -> str:
        return f"{self.threshold} of {self.keys}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan file says; None where it does not say."""

    fleet: str | None = None
    components: tuple[str, ...] | None = None
    quorums: Mapping[str, Quorum] = field(default_factory=dict)
    signers: Signers = field(default_factory=dict)


def parse_quorum(text: str) -> Quorum:
    """Read `3/5`; raises Invalid."""
    found = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})", text.strip())
    try:
        if found is None:
            raise ValueError("it is not written like 3/5")
        return Quorum(int(found[1]), int(found[2]))
    except ValueError as error:
        raise Invalid("malformed", f"{text!r} is not a threshold: {error}.", "Write it like 3/5.") from error


def parse_quorums(given: Sequence[str]) -> dict[str, Quorum]:
    """Read `root=3/5`, `release=2/3`; a whole role name wins over the short one. Raises Invalid."""
    found: dict[str, Quorum] = {}
    exact: dict[str, Quorum] = {}
    for each in given:
        name, _, text = each.partition("=")
        quorum = parse_quorum(text)
        if name in OFFLINE:
            exact[name] = quorum
        elif name in SHORT:
            found |= dict.fromkeys(SHORT[name], quorum)
        else:
            hint = f"Known are {', '.join((*SHORT, *OFFLINE))}."
            raise Invalid("malformed", f"{name!r} is no role whose threshold can be set.", hint)
    return found | exact


def read_plan(path: Path) -> Plan:
    """Parse a plan; raises ConfigError (config_unreadable, config_unknown_key, config_invalid) or Invalid."""
    table = read_toml(path)
    for key in table:
        if key not in PLAN_KEYS:
            raise ConfigError("config_unknown_key", f"{path} has an unknown key {key!r}.", f"Known are {PLAN_KEYS}.")
    fleet, components = table.get("fleet"), table.get("components")
    thresholds = table.get("thresholds", {})
    if not isinstance(thresholds, dict) or not all(isinstance(value, str) for value in thresholds.values()):
        raise ConfigError("config_invalid", f"{path}: thresholds must be texts such as 3/5.")
    if not isinstance(fleet, str | None) or not (components is None or _texts(components)):
        raise ConfigError("config_invalid", f"{path}: fleet must be a text and components a list of texts.")
    return Plan(
        fleet,
        tuple(components) if isinstance(components, list) else None,
        parse_quorums([f"{name}={value}" for name, value in thresholds.items()]),
        signers_in(table, path),
    )


def signers_in(table: Mapping[str, object], path: Path) -> dict[str, tuple[str, ...]]:
    """The `[signers]` part of a plan or of keys.toml; raises ConfigError."""
    part = table.get("signers", {})
    if not isinstance(part, dict):
        raise ConfigError("config_invalid", f"{path}: [signers] must be a table of lists.")
    found: dict[str, tuple[str, ...]] = {}
    for role, uris in part.items():
        if role not in (*OFFLINE, *ONLINE):
            known = ", ".join((*OFFLINE, *ONLINE))
            raise ConfigError("config_unknown_key", f"{path} [signers] has an unknown role {role!r}.", known)
        if not _texts(uris):
            raise ConfigError("config_invalid", f"{path}: the signers of {role} must be a list of URIs.")
        found[role] = tuple(uris)
    return found


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
