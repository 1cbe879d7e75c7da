"""The real adapters of one component of this device, chosen by its kind and its boot control.

Promises: what a component is made of is decided here and in the two registries that it names, `slots.select` and
`boot.select`, and nowhere else; a kind that is started, fetched or judged another way gets its entry in `MADE_OF`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from surefoot_agent import guard, processes
from surefoot_agent.application import Application
from surefoot_agent.boot.select import boot_of
from surefoot_agent.clock import SystemClock
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.data import DataFolder
from surefoot_agent.download.air import Air
from surefoot_agent.download.beside import beside_of
from surefoot_agent.download.late import http_downloader
from surefoot_agent.download.pace import Pacing
from surefoot_agent.health import uplink
from surefoot_agent.health.checks import Checks
from surefoot_agent.health.local import folders_of
from surefoot_agent.health.uplink import Uplink
from surefoot_agent.identity import Identity
from surefoot_agent.itself.application import OwnAgent
from surefoot_agent.itself.health import OwnHealth
from surefoot_agent.modules.application import ModuleApplication
from surefoot_agent.modules.flow import Order
from surefoot_agent.modules.host import Host, Rules
from surefoot_agent.pair import ProcessPair
from surefoot_agent.ports import ApplicationControl, BootControl, Downloader, Health, ShadowControl, Slots
from surefoot_agent.reset_cause import Origin
from surefoot_agent.restart import restart_and_wait, restart_machine
from surefoot_agent.rootfs import RootFilesystem
from surefoot_agent.shadow import Shadow
from surefoot_agent.sight import Hands
from surefoot_agent.slots.select import Place, slots_of
from surefoot_agent.telemetry import NodeTelemetry
from surefoot_agent.trial import TrialFile
from surefoot_agent.trust import ChildTrust
from surefoot_shared.status import Ability


@dataclass(frozen=True)
class Site:
    """What the adapters of a component are made from. `folder` is the component's own, on the data partition."""

    settings: Settings
    component: ComponentSettings
    identity: Identity
    folder: Path
    slots: Slots
    boot: BootControl
    way: Uplink | None = None
    air: Air | None = None


@dataclass(frozen=True)
class Parts:
    """What differs by kind besides the slots: how a release is fetched, started, and judged."""

    downloader: Downloader
    application: ApplicationControl
    health: Health
    reboots: bool = False
    """A start of this component is a start of the machine."""
    shadow: ShadowControl | None = None


def hands_of(
    settings: Settings,
    identity: Identity,
    component: ComponentSettings,
    origin: Origin = Origin(),  # noqa: B008 -- frozen
    way: Uplink | None = None,
    air: Air | None = None,
) -> Hands:
    """The real adapters of every port that touches this component, or those of the privileged half.

    `origin` is what brought about this boot, `way` is how releases are judged by what they leave of the way to the
    server; None: they are not. `air` brings chunks over MQTT.
    """
    if settings.helper_socket:
        from surefoot_agent.split import split_hands  # most devices are whole and have no use for it

        return split_hands(settings, identity, component, origin, way, air)
    folder = settings.state_dir / component.name
    slots = slots_of(component, Place(folder, settings.reserve_bytes, settings.reserve_inodes))
    boot = boot_of(component, folder)
    parts = MADE_OF[component.kind](Site(settings, component, identity, folder, slots, boot, way, air))
    return Hands(
        component_dir=folder,
        boot=boot,
        slots=slots,
        downloader=parts.downloader,
        application=parts.application,
        health=parts.health,
        trials=TrialFile(folder),
        clock=SystemClock(),
        reports_dir=settings.state_dir / "reports",
        guard_budget_s=component.guard_budget_s,
        max_starts=component.max_starts,
        origin=origin,
        data=DataFolder(folder, settings.reserve_bytes),
        reboots=parts.reboots,
        abilities=ABILITIES.get(component.kind, frozenset()),
        shadow=parts.shadow,
    )


def uplink_of(
    settings: Settings,
    component: ComponentSettings,
    identity: Callable[[], Identity],
    round_trip: Callable[[float], float],
) -> Uplink:
    """How this device looks at its way to the server while the component is on trial."""
    window_s = uplink.window_s(settings.uplink_window_s, component.guard_budget_s)
    return Uplink(uplink.Policy(settings.uplink), window_s, identity, round_trip)


def _directory(site: Site) -> Parts:
    """A tree whose process this agent starts and owns."""
    settings, component = site.settings, site.component
    application = Application(
        site.folder,
        site.slots,
        component.app_env,
        component.metrics_port,
        settings.restart_delay_s,
        settings.restart_delay_max_s,
        settings.log_limit_bytes,
    )
    pids = partial(guard.application_pids, site.folder)
    pair = ProcessPair(
        site.folder, site.slots, application, component.app_env, settings.log_limit_bytes, settings.reserve_bytes
    )
    beside = Shadow(site.folder, site.slots, pair, SystemClock().monotonic)
    return Parts(_downloader(site), application, _checks(site, application, pids), shadow=beside)


def _image(site: Site) -> Parts:
    """This machine's root: the agent runs from it, and another one is entered by a restart."""
    component = site.component
    root = RootFilesystem(site.boot, site.slots, restart_machine, component.metrics_port)
    return Parts(_downloader(site), root, _checks(site, root, processes.everybody))


def _module(site: Site) -> Parts:
    """What an Update Module installs: the slots hold payloads, and the module is called instead of a process."""
    component = site.component
    rules = Rules(
        component.modules,
        Order(component.module_order),
        component.module_s,
        partial(restart_and_wait, restart_machine),
        site.identity.hw,
        component.app_env,
    )
    host = Host(site.folder, rules)
    port = component.metrics_port
    application = ModuleApplication(site.folder, site.slots, site.boot, host, component.module_s, port)
    return Parts(_downloader(site), application, _checks(site, application, processes.everybody))


def _agent(site: Site) -> Parts:
    """The agent itself: what runs is this process, and its launcher starts what the link names."""
    application, settings, identity = OwnAgent(site.folder, site.slots), site.settings, site.identity
    trust = ChildTrust(settings.state_dir / "trust", identity.device, identity.hw)
    checks = _checks(site, application, partial(guard.application_pids, site.folder))
    return Parts(_downloader(site), application, OwnHealth(checks, trust.rehearse))


def _downloader(site: Site) -> Downloader:
    settings = site.settings
    pacing = Pacing(settings.min_speed_bytes_per_s, settings.min_speed_window_s, settings.rate_bytes_per_s)
    timeouts = (settings.connect_timeout_s, settings.read_timeout_s)
    ca_file = site.identity.ca_file
    return http_downloader(
        site.slots, ca_file, pacing, *timeouts, beside_of(settings, site.component.name, ca_file, site.air)
    )


def _checks(site: Site, application: ApplicationControl, pids: Callable[[], Sequence[int]]) -> Checks:
    node = NodeTelemetry(site.settings.state_dir, application).node
    folders = folders_of(site.settings)
    return Checks(application, site.slots, pids, site.component.app_env, folders, node, site.way)


MADE_OF: Mapping[str, Callable[[Site], Parts]] = {
    "directory": _directory,
    "image": _image,
    "rauc": _image,
    "module": _module,
    "agent": _agent,
}
ABILITIES: Mapping[str, frozenset[Ability]] = {"directory": frozenset({Ability.RECREATE, Ability.SHADOW})}
"""By kind: a root or an agent cannot be emptied under what runs from it; a module keeps what it installs by itself."""
