"""Who this node is: read from the files that enrolment wrote, each time anew. Loads no library of cryptography.

Refuses an identity that is incomplete and a key that others can read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.topics import check_device_id

if TYPE_CHECKING:
    from surefoot_shared.identity import DeviceKey

CA_FILE = "ca.pem"
DEVICE_FACTS = "device.json"
FIRST_BOOT = "first-boot.json"
"""There until an image's first boot has enrolled the device, see `golden`."""
PAIR = "device"
"""Name of the files of key and certificate; a renewal changes between this and another one."""


@dataclass(frozen=True)
class Identity:
    """Who this node is, to the broker and in its signatures. `mqtt_protocol` is 5, or 4 for MQTT 3.1.1."""

    device: str
    hw: str
    server_url: str
    mqtt_host: str
    mqtt_port: int
    mqtt_protocol: int
    key_file: Path
    cert_file: Path
    ca_file: Path

    def key(self) -> DeviceKey:
        """For those who make requests and check certificates; a running agent signs with `signer`."""
        from surefoot_shared.identity import (
            key_from_pem,  # its library takes 11 MiB, and an idle agent needs none of it
        )

        return key_from_pem(self.key_file.read_bytes())


def load_identity(state_dir: Path) -> Identity:
    """Read the stored identity; raises ConfigError (not_enrolled, config_unreadable, key_permissions)."""
    folder = state_dir / "identity"
    try:
        facts = json.loads((folder / DEVICE_FACTS).read_bytes())
        pair = pair_of(facts)
        mode = (folder / f"{pair}.key").stat().st_mode
    except FileNotFoundError as error:
        raise ConfigError("not_enrolled", f"{state_dir} holds no identity.") from error
    except (OSError, ValueError) as error:
        raise ConfigError("config_unreadable", f"The identity in {folder} cannot be read: {error}.") from error
    if mode & 0o077:
        raise ConfigError("key_permissions", f"{folder / pair}.key can be read by others.")
    try:
        return Identity(
            device=check_device_id(str(facts["device"])),
            hw=str(facts["hw"]),
            server_url=str(facts["server_url"]),
            mqtt_host=str(facts["mqtt"]["host"]),
            mqtt_port=int(facts["mqtt"]["port"]),
            mqtt_protocol=int(facts["mqtt"]["protocol"]),
            key_file=folder / f"{pair}.key",
            cert_file=folder / f"{pair}.crt",
            ca_file=folder / CA_FILE,
        )
    except (KeyError, TypeError, ValueError, Invalid) as error:
        raise ConfigError("config_unreadable", f"{folder / DEVICE_FACTS} is incomplete: {error}.") from error


def pair_of(facts: object) -> str:
    """The name of the key pair that counts, of what `device.json` says; raises ValueError."""
    pair = facts.get("pair", PAIR) if isinstance(facts, dict) else PAIR
    if not isinstance(pair, str) or not pair.replace("-", "").isalnum():
        raise ValueError("the name of the key pair is none")
    return pair
