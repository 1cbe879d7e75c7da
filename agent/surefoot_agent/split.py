"""The hands of an agent that may touch nothing itself: the ports of the privileged half, in the place of direct ones.

Promises: with `helper_socket` set, whatever writes a slot, switches, starts the application or restarts the machine
goes through the privileged half; what is left to this process is the network, its journal and the decisions.
"""

from __future__ import annotations

from pathlib import Path

from surefoot_agent.clock import SystemClock
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.download.air import Air
from surefoot_agent.download.beside import beside_of
from surefoot_agent.download.late import http_downloader
from surefoot_agent.download.pace import Pacing
from surefoot_agent.health.checks import Checks
from surefoot_agent.health.local import folders_of
from surefoot_agent.health.uplink import Uplink
from surefoot_agent.identity import Identity
from surefoot_agent.ports import Slots
from surefoot_agent.privileged.carrier import PrivilegedCarrier, PrivilegedData
from surefoot_agent.privileged.proxies import Line, PrivilegedApplication, PrivilegedBoot, PrivilegedTrials
from surefoot_agent.privileged.root import PrivilegedRoot
from surefoot_agent.privileged.slots import Evidence, PrivilegedImages, PrivilegedSlots
from surefoot_agent.reset_cause import Origin
from surefoot_agent.sight import Hands
from surefoot_agent.slots.select import devices_of
from surefoot_agent.telemetry import NodeTelemetry


def split_hands(
    settings: Settings,
    identity: Identity,
    component: ComponentSettings,
    origin: Origin,
    way: Uplink | None,
    air: Air | None = None,
) -> Hands:
    """Return the ports of one component behind the privileged half's socket."""
    folder = settings.component_dir(component.name)
    line = Line(Path(settings.helper_socket), component.name)
    evidence = Evidence(settings.state_dir / "trust")
    slots: Slots
    if is_root := component.kind == "image":
        slots = PrivilegedImages(folder, devices_of(component), line, evidence)
        application: PrivilegedApplication = PrivilegedRoot(folder, line, component.metrics_port)
    else:
        slots = PrivilegedSlots(folder, line, evidence, settings.reserve_bytes, settings.reserve_inodes)
        application = PrivilegedApplication(folder, line)
    pacing = Pacing(settings.min_speed_bytes_per_s, settings.min_speed_window_s, settings.rate_bytes_per_s)
    timeouts = (settings.connect_timeout_s, settings.read_timeout_s)
    beside = beside_of(settings, component.name, identity.ca_file, air)
    return Hands(
        component_dir=folder,
        boot=PrivilegedBoot(line),
        slots=slots,
        downloader=http_downloader(slots, identity.ca_file, pacing, *timeouts, beside),
        application=application,
        health=Checks(
            application,
            slots,
            application.pids,
            component.app_env,
            folders_of(settings),
            NodeTelemetry(settings.state_dir, application).node,
            way,
        ),
        trials=PrivilegedTrials(folder, line),
        clock=SystemClock(),
        reports_dir=settings.state_dir / "reports",
        guard_budget_s=component.guard_budget_s,
        max_starts=component.max_starts,
        origin=origin,
        reboots=is_root,
        data=PrivilegedData(folder, line),
        carrier=PrivilegedCarrier(line),
    )
