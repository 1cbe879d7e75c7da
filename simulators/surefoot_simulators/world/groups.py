"""The [[fleet.devices]] tables of a scenario, read: groups of devices that are alike, or devices of a server's list.

Promises: frozen values, or Invalid with line and field; keys beside `from` win over what the list says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from surefoot_server.cohorts import grammar
from surefoot_server.cohorts.grammar import Traits
from surefoot_shared.errors import Invalid
from surefoot_shared.release import SlotKind
from surefoot_shared.topics import check_device_id
from surefoot_simulators.device.boot import Kind
from surefoot_simulators.device.link import Network
from surefoot_simulators.world import inventory
from surefoot_simulators.world.inventory import Listed
from surefoot_simulators.world.lines import network
from surefoot_simulators.world.release_tables import EVERYBODY, MEGABYTE, Release
from surefoot_simulators.world.sources import path_of
from surefoot_simulators.world.toml_lines import Table

MOST = 100_000


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that are alike. Sites are dealt in turn."""

    count: int
    name: str = "cam"
    hw: str = "rpi5"
    sites: tuple[str, ...] = ("site-1",)
    boot: Kind = Kind.LINK
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    network: Network = Network()  # noqa: RUF009 -- frozen
    runs: str = ""
    """The release at the start; that of the fleet where it is empty."""
    free_bytes: float = 64e9
    guard_budget_s: float = 300.0
    beside: tuple[str, ...] = ()
    """Releases of other components at the start."""
    listed: bool = False
    """One device of a server's list, with just this name."""
    line: int = 0

    def called(self, number: int) -> str:
        """The name of the fleet's device with this number."""
        return self.name if self.listed else f"{self.name}-{number:04}"


def read(
    fleet: Table, releases: Sequence[Release], component: str, folder: Path
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the groups of [fleet], and what its lists have that is not played; paths start from `folder`."""
    tables = list(fleet.tables("devices"))
    if fleet.has("from"):
        fleet.text("from")
        tables.insert(0, fleet.narrowed(("from",)))
    if not tables:
        raise fleet.wrong("it has no devices; give [[fleet.devices]]")
    boot = Kind.COUNTER if _is_image(releases, component) else Kind.LINK
    versions = {release.version: release.component for release in releases}
    groups: list[Group] = []
    listed: list[Listed] = []
    for table in tables:
        if not table.has("from"):
            groups.append(_group(table, boot))
            continue
        devices, made = _listed(table, folder), _group(table, boot)
        groups += [_one(table, made, device, versions, component) for device in devices]
        listed += [] if made.runs else devices
    said = inventory.left_out(listed, versions, dict.fromkeys((component, *versions.values())))
    return tuple(groups), ((said,) if said else ())


def _is_image(releases: Sequence[Release], component: str) -> bool:
    return any(release.slot is SlotKind.IMAGE for release in releases if release.component == component)


def _group(table: Table, boot: Kind) -> Group:
    listed = table.has("from")
    if listed and table.has("name"):
        raise table.wrong("devices of a list have names", "name")
    group = Group(
        count=table.whole("count", MOST if listed else None, low=1, high=MOST),
        name=table.name("name", "cam"),
        hw=table.name("hw", "rpi5"),
        sites=table.names("sites", ("site-1",)),
        boot=table.choice("boot", Kind, boot),
        tags=table.names("tags"),
        attributes={key: str(value) for key, value in table.mapping("attributes").items()},
        network=network(table.table("network")),
        runs=table.name("runs", ""),
        free_bytes=table.number("free_mb", 64_000.0) * MEGABYTE,
        guard_budget_s=table.span_s("guard_budget", 300.0, low_s=1.0),
        line=table.line,
    )
    try:
        check_device_id(group.called(MOST) if not listed else group.name)
    except Invalid as error:
        raise table.wrong(f"no device can be called {group.called(1)!r}. {error.hint.rstrip('.')}", "name") from error
    if not group.sites:
        raise table.wrong("it needs a site", "sites")
    table.done()
    return group


def _listed(table: Table, folder: Path) -> Sequence[Listed]:
    """Those of the table's list that fit it; raises Invalid where there are none."""
    where = table.text("where", EVERYBODY)
    parsed = table.checked("where", lambda: grammar.parse(where))
    try:
        devices = inventory.read(path_of(table, "from", folder))
    except Invalid as error:
        raise table.wrong(error.message.rstrip("."), "from") from error
    found = [device for device in devices if not device.revoked and grammar.matches(parsed, _traits(device))]
    if not found:
        raise table.wrong(f"no device of the list fits {where!r}", "where" if table.has("where") else "from")
    return inventory.spread(found, table.whole("count", MOST, low=1, high=MOST))


def _traits(device: Listed) -> Traits:
    versions = {part.component: part.release.partition("/")[2] for part in device.components if part.release}
    return Traits(device.id, device.hw, device.attributes, frozenset(device.tags), versions)


def _one(table: Table, made: Group, device: Listed, versions: Mapping[str, str], component: str) -> Group:
    """A group of this device alone: what the list says, but where the table says otherwise."""
    runs = inventory.runs(device, versions)
    return replace(
        made,
        count=1,
        listed=True,
        name=device.id,
        hw=made.hw if table.has("hw") else device.hw,
        sites=made.sites if table.has("sites") else (device.site,),
        tags=made.tags if table.has("tags") else device.tags,
        attributes={**device.attributes, **made.attributes},
        runs=made.runs or next((version for version in runs if versions[version] == component), ""),
        beside=tuple(version for version in runs if versions[version] != component),
    )
