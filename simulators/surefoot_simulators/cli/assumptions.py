"""What a forecast starts from: YAML files of its own, or what a user has: recipes, built releases, a list of devices.

Promises: what is in such a file is taken as a scenario of `surefoot sim run` takes it; what a YAML file says beside
`from` wins. Raises ConfigError or Invalid naming the file. Refuses to guess how a release turns out: that is assumed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from surefoot_server.releases.build import MANIFEST_FILE
from surefoot_server.rollouts import document
from surefoot_server.rollouts.forecast import assumed
from surefoot_server.rollouts.forecast.assumed import Assumed, Group, Offline, There, Took
from surefoot_server.rollouts.policy import Policy
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.release import CheckKind, Probation
from surefoot_simulators.world import inventory, sources
from surefoot_simulators.world.inventory import Listed
from surefoot_simulators.world.sources import Source

CHARACTERS_LIMIT = 64 * 1024
"""As many as the server reads of a policy."""
FROM = "from"
HINT = "Check the path; docs/forecast.md shows what each file says."
RECIPE_SUFFIX = ".toml"
CAMERA_METRIC = "camera_fps"
"""By which a check of kind camera judges first of all."""


@dataclass(frozen=True, slots=True)
class Given:
    """A release: what is assumed of it, and what its files say; `hw` is None for all hardware."""

    assumed: Assumed
    hw: frozenset[str] | None = None
    source: Source | None = None


def release(path: Path | None, offline: Offline | None, there: There | None = None) -> Given:
    """A file of rates, or a recipe, a release folder or a manifest. `offline`: where it says nothing; `there`: what it
    may be about."""
    own = path is None or not (path.is_dir() or path.suffix == RECIPE_SUFFIX or path.name == MANIFEST_FILE)
    text = read(path) if own else ""
    named = _named(path, text, "The release") if own else path
    source = sources.of_path(named) if named else None
    return Given(
        assumed.release(text, offline, _assumed(source) if source else None, (FROM,), there),
        frozenset(source.hw) if source and source.hw else None,
        source,
    )


def fleet(path: Path, source: Source | None = None) -> tuple[list[Group], Offline | None]:
    """A modelled fleet, or a server's list of devices, of which those are left out that run `source` already."""
    listed = read(path).lstrip().startswith("[")
    text = "" if listed else read(path)
    named = path if listed else _named(path, text, "The fleet")
    if named is None:
        return assumed.fleet(text)
    devices = [device for device in inventory.read(named) if not device.revoked and not _runs(device, source)]
    if not devices:
        raise Invalid("malformed", f"{named}: no device of it would be updated.")
    groups, offline = assumed.fleet(text, _groups(devices), (FROM,))
    away = sum(not device.online for device in devices) / len(devices)
    return groups, offline or replace(Offline(), share=away)


def there(policy: Policy, groups: Sequence[Group], given: Given) -> There:
    """What of this release anything could be assumed of: hardware that it is for, metrics that somebody looks at."""
    hardware = {group.hw for group in groups if given.hw is None or group.hw in given.hw}
    metrics = {objective.metric for objective in policy.gate.metrics}
    for check in (given.source.checks if given.source else None) or ():
        metrics |= {CAMERA_METRIC} if check.kind is CheckKind.CAMERA else set()
        metrics |= {str(check.params["metric"])} if check.kind is CheckKind.METRIC else set()
    return There(hardware, metrics)


def read(file: Path | None) -> str:
    """The file's text, "" for none; raises ConfigError naming it."""
    if file is None:
        return ""
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(CHARACTERS_LIMIT + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError("config_invalid", f"{file} cannot be read: {why}.", HINT) from error


def _named(path: Path | None, text: str, about: str) -> Path | None:
    """The file that `from` names, from the folder of this one."""
    named = document.parse(text, about).peek(FROM)
    return path.parent / named if path is not None and named else None


def _assumed(source: Source) -> Assumed:
    """Half of the devices are steady at once, one in twenty takes the whole start-up."""
    probation = source.probation or Probation()
    required = [check.interval_s for check in source.checks or () if check.required]
    steady_s = min(probation.startup_s, probation.steady * max(required, default=1.0))
    return replace(Assumed(), probation=Took(steady_s + probation.soak_s, probation.startup_s + probation.soak_s))


def _runs(device: Listed, source: Source | None) -> bool:
    return source is not None and any(
        part.release == f"{source.component}/{source.version}" for part in device.components
    )


def _groups(devices: Sequence[Listed]) -> list[Group]:
    """Those that are alike together, in the order of the list."""
    alike = Counter(
        (device.hw, device.site, device.tags, tuple(sorted(device.attributes.items()))) for device in devices
    )
    return [
        Group(count, hw, site, 1, dict(attributes).get("timezone", ""), frozenset(tags), dict(attributes))
        for (hw, site, tags, attributes), count in alike.items()
    ]
