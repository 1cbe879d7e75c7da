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
from pathlib import Path

from surefoot_agent.application import Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.clock import SystemClock
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings, components_of
from surefoot_agent.enrol_cli import component_of
from surefoot_agent.identity import load_identity
from surefoot_agent.privileged.serve import Server, uid_of
from surefoot_agent.privileged.steward import Estate, Steward
from surefoot_agent.privileged.vault import Owner, Vault, in_a_child
from surefoot_agent.provision import provision
from surefoot_agent.restart import restart_machine
from surefoot_agent.slots.directory import DirectorySlots
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
    served = components_of(settings)
    stewards = {each.name: Steward(each.name, estate_of(settings, each), vault) for each in served}
    return Server(Path(settings.helper_socket), uid_of(settings.agent_user), stewards)


def vault_of(settings: Settings) -> Vault:
    return Vault(settings.helper_dir / TRUST, in_a_child(settings.verify_user))


def estate_of(settings: Settings, component: ComponentSettings) -> Estate:
    """The direct adapters, on folders that belong to this side."""
    folder = settings.component_dir(component.name)
    slots = DirectorySlots(folder, settings.reserve_bytes, settings.reserve_inodes)
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
    boot = SymlinkBoot(folder)
    return Estate(folder, boot, slots, application, TrialFile(folder), SystemClock(), restart_machine)


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
        if settings.app_user:
            shutil.chown(each.folder / "data", settings.app_user)
            os.chmod(each.folder / "data", 0o700)
    return tuple(_provisioned(settings, estates, release, identity.hw) for release in releases)


def _provisioned(settings: Settings, estates: Mapping[str, Estate], release: Path, hw: str) -> Manifest:
    component = component_of(settings, release).name
    estate, trust = estates[component], settings.helper_dir / TRUST
    return provision(trust, release, component, hw, estate.slots, estate.boot, estate.clock.utc())
