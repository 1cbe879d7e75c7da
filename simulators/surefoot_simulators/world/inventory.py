"""Devices as a server lists them: the file of `surefoot device list --json`, or the list of its API.

Promises: who is in the file is there with its name, hardware, site, tags and attributes and begins with what it runs;
what a scenario cannot take over is one sentence. Revoked devices are left out. Refuses to connect to any server.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.topics import check_device_id

LIMIT_BYTES = 256 * 1024 * 1024
"""A device is listed with one or two kilobytes."""
HINT = "Write it with `surefoot device list --json`."


@dataclass(frozen=True)
class Part:
    component: str
    release: str | None = None
    """By its name, as in app/1.0; None where the server does not know what runs."""


@dataclass(frozen=True)
class Listed:
    """One device."""

    id: str
    hw: str
    online: bool = True
    revoked: bool = False
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    components: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        check_device_id(self.id)
        if not self.hw:
            raise ValueError(f"{self.id} has no hardware")

    @property
    def site(self) -> str:
        return self.attributes.get("site", "")


def read(path: Path) -> tuple[Listed, ...]:
    """All of the file, each device once; raises Invalid naming the file and what is wrong with it."""
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT_BYTES + 1)
        found = json.loads(raw) if len(raw) <= LIMIT_BYTES else None
    except OSError as error:
        raise _wrong(path, f"it cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"it is no JSON: {str(error)[:200]}") from error
    if not isinstance(found, list):
        raise _wrong(path, "it is no list of devices")
    devices = tuple(_device(path, number, each) for number, each in enumerate(found, 1))
    twice = next((name for name, count in Counter(each.id for each in devices).items() if count > 1), "")
    if twice:
        raise _wrong(path, f"{twice} is in it twice")
    return devices


def spread(devices: Sequence[Listed], count: int) -> Sequence[Listed]:
    """So many of them, from all over the list; all where there are no more."""
    if count >= len(devices):
        return devices
    return [devices[number * len(devices) // count] for number in range(count)]


def runs(device: Listed, versions: Mapping[str, str]) -> tuple[str, ...]:
    """What it runs of these releases (version → component)."""
    named = [(part.component, (part.release or "").partition("/")[2]) for part in device.components]
    return tuple(version for component, version in named if versions.get(version) == component)


def left_out(devices: Sequence[Listed], versions: Mapping[str, str], components: Collection[str]) -> str:
    """What a scenario with these releases does not take over of the devices that are in it, as a sentence or ""."""
    other: Counter[str] = Counter()
    strange: set[str] = set()
    for device in devices:
        parts = {part.component: part.release for part in device.components}
        strange |= parts.keys() - set(components)
        for component in components:
            release = parts.get(component)
            if versions.get((release or "").partition("/")[2]) != component:
                other[release or f"nothing known of {component}"] += 1
    words = [f"{count} with {name}" for name, count in sorted(other.items())]
    said = [f"{' and '.join(words)} begin with what the fleet runs here"] if words else []
    if strange:
        said.append(f"their {', '.join(sorted(strange))} is not played")
    return f"Of {len(devices)} listed devices {'; '.join(said)}" if said else ""


def _device(path: Path, number: int, value: wire.Json) -> Listed:
    try:
        return wire.from_json(Listed, value)
    except Invalid as error:
        raise _wrong(path, f"device {number}: {error.message.rstrip('.')}") from error


def _wrong(path: Path, why: str) -> Invalid:
    return Invalid("malformed", f"{path}: {why}.", HINT)
