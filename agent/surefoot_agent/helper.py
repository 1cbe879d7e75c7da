"""The privileged half as a process: what may write slots, switch, run the application and restart, for the agent.

Promises: what it does comes from its own configuration and folder, and from its socket by the fixed verbs of
`privileged.talk` alone, from the agent's user alone; it opens no network connection. Where it is dead, the agent waits,
the application runs on, and the guard brings an open trial back. Refuses to start without a device to serve.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from surefoot_agent import guard, processes
from surefoot_agent.application import Application
from surefoot_agent.boot.select import boot_of
from surefoot_agent.clock import SystemClock
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings, components_of
from surefoot_agent.data import DataFolder
from surefoot_agent.enrol_cli import component_of
from surefoot_agent.finding import Finding
from surefoot_agent.identity import load_identity
from surefoot_agent.privileged.serve import Server, uid_of
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.vault import Owner, Vault, in_a_child
from surefoot_agent.provision import provision
from surefoot_agent.restart import restart_machine
from surefoot_agent.rootfs import RootFilesystem
from surefoot_agent.slots.select import Place, slots_of
from surefoot_agent.trial import TrialFile
from surefoot_shared.errors import ConfigError
from surefoot_shared.release import Manifest
from surefoot_shared.trust.fields import IMAGE

log = logging.getLogger(__name__)
TRUST = "trust"


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = server_of(settings)
    server.start()
    log.info("serving socket=%s agent_user=%s", settings.helper_socket, settings.agent_user or "own")
    stop.wait()
    server.stop()


def server_of(settings: Settings) -> Server:
    if not settings.helper_socket:
        raise ConfigError("config_invalid", "helper_socket is empty: this device is not split.", "Set helper_socket.")
    vault = vault_of(settings)
    vault.owner()
    stewards = {}
    for each in components_of(settings):
        estate = estate_of(settings, each)
        _take_over(each, estate)
        stewards[each.name] = Steward(each.name, estate, vault)
    return Server(Path(settings.helper_socket), uid_of(settings.agent_user), stewards)


def vault_of(settings: Settings) -> Vault:
    return Vault(settings.helper_dir / TRUST, in_a_child(settings.verify_user))


def estate_of(settings: Settings, component: ComponentSettings) -> Estate:
    """The direct adapters, on folders and devices that belong to this side."""
    folder = settings.component_dir(component.name)
    slots = slots_of(component, Place(folder, settings.reserve_bytes, settings.reserve_inodes))
    boot, trials, clock = boot_of(component, folder), TrialFile(folder), SystemClock()
    data = DataFolder(folder, settings.reserve_bytes)
    if component.kind == "image":
        root, look = (
            RootFilesystem(boot, slots, restart_machine, component.metrics_port),
            partial(_look, component, folder),
        )
        return Estate(folder, boot, slots, root, trials, clock, processes.everybody, look, data=data)
    application = Application(
        folder,
        slots,
        component.app_env,
        component.metrics_port,
        settings.restart_delay_s,
        settings.restart_delay_max_s,
        settings.log_limit_bytes,
        app_socket=settings.app_socket(component.name),
        user=settings.app_user,
        cgroup=True,
    )
    pids = partial(guard.application_pids, folder)
    return Estate(folder, boot, slots, application, trials, clock, pids, data=data)


def _look(component: ComponentSettings, folder: Path) -> tuple[Finding, ...]:
    """What `check` says of this board, of which the agent's user sees neither devices nor bootloader."""
    from surefoot_agent.boot import platform  # asked for now and then
    from surefoot_agent.slots import demands

    return (*platform.findings(platform.observe(component, folder)), *demands.findings(component))


def _take_over(component: ComponentSettings, estate: Estate) -> None:
    if component.boot_variables != "surefoot":
        from surefoot_agent.boot.adopt import adopt  # most devices never had another agent

        adopt(component, estate.boot, estate.folder)


def adopt(settings: Settings, releases: Sequence[Path] = ()) -> tuple[Manifest, ...]:
    """Take an enrolled device into the privileged half's hands, once: its id, hardware and image root are kept here.

    What the agent's folder says now is believed, as nothing networked has run yet; later changes of it are not looked
    at. Each of `releases` goes into slot A of its component. Raises ConfigError where this was done before, or where
    nothing is enrolled.
    """
    identity = load_identity(settings.state_dir)
    root = (settings.state_dir / "trust" / "bootstrap" / f"{IMAGE}.root.json").read_bytes()
    settings.helper_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    vault = vault_of(settings)
    vault.set_up(Owner(identity.device, identity.hw), root)
    estates = {each.name: estate_of(settings, each) for each in components_of(settings)}
    for each in estates.values():
        if settings.app_user and (each.folder / "data").is_dir():
            shutil.chown(each.folder / "data", settings.app_user)
            os.chmod(each.folder / "data", 0o700)
    return tuple(_provisioned(settings, estates, release, identity.hw) for release in releases)


def _provisioned(settings: Settings, estates: Mapping[str, Estate], release: Path, hw: str) -> Manifest:
    component = component_of(settings, release).name
    estate, trust = estates[component], settings.helper_dir / TRUST
    return provision(trust, release, component, hw, estate.slots, estate.boot, estate.clock.utc())
