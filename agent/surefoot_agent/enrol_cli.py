"""`surefoot-agent enrol`: identity and first releases of this node, or of an image that is mounted here.

Promises: nothing is spent before what was given could be taken: an enrolment token comes after the release folders were
verified. Imports what it needs when it needs it.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings, components_of, load
from surefoot_shared.errors import ConfigError


def enrol_node(arguments: argparse.Namespace) -> int:
    from surefoot_agent.enrol import enrol
    from surefoot_agent.identity import DEVICE_FACTS
    from surefoot_agent.node import only_one

    settings = load(arguments.config)
    state_dir = _state_dir(arguments, settings)
    with only_one(state_dir):
        if arguments.image:
            _prepare_image(arguments, state_dir)
        else:
            _check_releases(settings, state_dir, arguments)
            token, chain = _text(arguments.token_file), _text(arguments.factory_chain)
            if arguments.factory_key:
                _take_key(arguments.factory_key, state_dir)
            before = (state_dir / "identity" / DEVICE_FACTS).exists()
            identity = enrol(
                arguments.server, arguments.bootstrap, token, arguments.device, arguments.hw, state_dir, chain
            )
            print(f"{identity.device} is enrolled at {identity.server_url}", file=sys.stderr)
            if before:
                folder = state_dir / "identity"
                say = f"It was before, so the server was asked nothing. To enrol it anew, move {folder} away first."
                print(say, file=sys.stderr)
        for release in arguments.release:
            _provision(settings, state_dir, release, arguments.hw)
    if arguments.image:
        (state_dir / "agent.lock").unlink(missing_ok=True)  # nothing of this machine stays in the image
    return 0


def _state_dir(arguments: argparse.Namespace, settings: Settings) -> Path:
    chosen: Path = arguments.state_dir.absolute() if arguments.state_dir else settings.state_dir
    if not arguments.image:
        return chosen.resolve()
    root: Path = arguments.image.resolve()
    if not root.is_dir():
        raise ConfigError("config_invalid", f"{root} is not a folder.", "Mount the image first.")
    return root / chosen.relative_to("/")


def _prepare_image(arguments: argparse.Namespace, state_dir: Path) -> None:
    from surefoot_agent.golden import FirstBoot, prepare

    wish = FirstBoot(arguments.server, arguments.hw, arguments.device, _text(arguments.token_file))
    prepare(state_dir, arguments.bootstrap, wish)
    print(f"{state_dir} is prepared; each device enrols at its first `surefoot-agent run`", file=sys.stderr)


def _provision(settings: Settings, state_dir: Path, release: Path, hw: str) -> None:
    if settings.helper_socket:
        hint = "Enrol without --release, then run `surefoot-agent adopt --release DIR` as root."
        raise ConfigError("config_invalid", "The slots of this device belong to its privileged half.", hint)
    from surefoot_agent.boot.select import boot_of
    from surefoot_agent.provision import provision
    from surefoot_agent.slots.select import Place, slots_of

    component, now, trust = component_of(settings, release), datetime.now(timezone.utc), state_dir / "trust"
    folder = state_dir / component.name
    slots = slots_of(component, Place(folder, settings.reserve_bytes, settings.reserve_inodes))
    manifest = provision(trust, release, component.name, hw, slots, boot_of(component, folder), now)
    print(f"{manifest.component} {manifest.version} is in slot A", file=sys.stderr)


def component_of(settings: Settings, release: Path) -> ComponentSettings:
    """The component that this release is of; where it says none of ours, the first, which refuses it in words."""
    from surefoot_agent.provision import component_named_in

    components, named = components_of(settings), component_named_in(release)
    return next((component for component in components if component.name == named), components[0])


def _check_releases(settings: Settings, state_dir: Path, arguments: argparse.Namespace) -> None:
    """Refuse a release that could not be taken before the enrolment token is spent."""
    from surefoot_agent.enrol import copy_roots
    from surefoot_agent.identity import DEVICE_FACTS
    from surefoot_agent.provision import first_release
    from surefoot_shared.topics import check_device_id

    if not arguments.release:
        return
    check_device_id(arguments.device)
    if (state_dir / "identity" / DEVICE_FACTS).exists():
        return  # no token will be spent
    copy_roots(arguments.bootstrap, state_dir)
    for release in arguments.release:
        name = component_of(settings, release).name
        first_release(state_dir / "trust", release, name, arguments.hw, datetime.now(timezone.utc))


def _take_key(path: Path, state_dir: Path) -> None:
    """Make the factory's key this node's own, unless it has one."""
    from surefoot_agent.identity import PAIR
    from surefoot_shared.identity import key_from_pem, key_to_pem
    from surefoot_shared.trust.durable import write_durably

    own = state_dir / "identity" / f"{PAIR}.key"
    if not own.exists():
        key = key_from_pem(_text(path).encode())
        own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(own, key_to_pem(key))


def _text(path: Path | None) -> str:
    """A token or certificates from a file; nothing where none is given."""
    if path is None:
        return ""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"The file {path} cannot be read.") from error


ENROL = (
    "enrol",
    enrol_node,
    "give this node its identity and its first release",
    "surefoot-agent enrol --server https://updates.example:8443 --bootstrap ./bootstrap "
    "--token-file enrol.token --device cam-17 --hw rpi5 --release ./camera-1.0",
)
"""Name, act, meaning and example of the command."""


def add_enrol(enrol: argparse.ArgumentParser) -> None:
    """Add the options."""
    enrol.add_argument("--server", required=True, metavar="URL", help="the server's device address, https")
    enrol.add_argument("--bootstrap", required=True, type=Path, metavar="DIR", help="both roots and the fleet's CA")
    enrol.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the enrolment token; without it the key must be known",
    )
    enrol.add_argument(
        "--device",
        required=True,
        metavar="ID",
        help="the id this node shall have; for an image a pattern: cam-{serial}",
    )
    enrol.add_argument("--hw", required=True, metavar="HW", help="the hardware, as releases name it")
    enrol.add_argument(
        "--factory-chain",
        type=Path,
        metavar="FILE",
        help="the factory's certificate of this node's key and those above",
    )
    enrol.add_argument("--factory-key", type=Path, metavar="FILE", help="that key, where the state folder has none")
    enrol.add_argument(
        "--image", type=Path, metavar="ROOT", help="prepare the image mounted here; its devices enrol at first boot"
    )
    enrol.add_argument("--state-dir", type=Path, metavar="DIR", help="overrides the setting state_dir")
    enrol.add_argument(
        "--release",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="signed release folder to install into slot A; once for each component",
    )
