"""A golden image: everything that all devices of a kind share, and nothing that makes one of them itself.

Promises: an image holds roots, the fleet's authority, the first release and how to enrol, and neither key nor name nor
journal; its first boot makes a key, takes a name from the hardware and enrols, waiting as long as the server or an
operator needs; the token goes with the enrolment. Interrupted at any point, the next start goes on.
Refuses to prepare an image that has an identity, and a name that would be the same on every device.
"""

from __future__ import annotations

import logging
import random
import re
import socket
import string
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.enrol import ROOTS, check_url, enrol
from surefoot_agent.identity import CA_FILE, DEVICE_FACTS, FIRST_BOOT, PAIR
from surefoot_agent.timers import full_jitter
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Unreachable
from surefoot_shared.topics import check_device_id
from surefoot_shared.trust.durable import sync_folder, write_durably

log = logging.getLogger(__name__)

PENDING_S = 60.0
"""Between two questions whether a person has approved; jittered, for a pallet of cameras is switched on at once."""
NAMES = ("serial", "mac", "hostname", "machine_id")
SERIALS = ("proc/device-tree/serial-number", "sys/class/dmi/id/product_serial", "sys/class/dmi/id/board_serial")
_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True)
class FirstBoot:
    """`device` is a pattern such as `cam-{serial}`; `token` is empty where the key was registered beforehand."""

    server_url: str
    hw: str
    device: str
    token: str = ""
    v: int = 1


def prepare(state_dir: Path, bootstrap_dir: Path, wish: FirstBoot) -> None:
    """Put into an image's state folder what its first boot needs. Raises ConfigError; done twice, the last counts."""
    folder = state_dir / "identity"
    if any((folder / name).exists() for name in (DEVICE_FACTS, f"{PAIR}.key", f"{PAIR}.crt")):
        message = f"{folder} holds an identity, which every device made from this image would share."
        raise ConfigError("conflict", message, "Remove it, or prepare a fresh image.")
    check_url(wish.server_url)
    _check_pattern(wish.device)
    for source, target in (
        *((bootstrap_dir / name, state_dir / "trust" / "bootstrap" / name) for name in ROOTS),
        (bootstrap_dir / CA_FILE, folder / CA_FILE),
    ):
        _write(target, _read(source))
    _write(folder / FIRST_BOOT, wire.encode(wish))


def first_boot(
    state_dir: Path, stop: threading.Event, root: Path = Path("/"), rand: Callable[[], float] = random.random
) -> None:
    """Enrol where this is an image's first boot, else do nothing; returns at `stop`. Raises ConfigError."""
    file = state_dir / "identity" / FIRST_BOOT
    if not file.exists():
        return
    wish = wire.decode(FirstBoot, file.read_bytes()[:_LIMIT_BYTES])
    if not (state_dir / "identity" / DEVICE_FACTS).exists():
        name = device_id(wish.device, facts(root))
        if not _enrol(wish, name, state_dir, stop, rand):
            return
        log.info("first_boot_enrolled device=%s", name)
    file.unlink()  # the token in it lets others in
    sync_folder(file.parent)


def device_id(pattern: str, known: Mapping[str, str]) -> str:
    """The pattern filled from the hardware; raises ConfigError where the hardware does not say, or says nonsense."""
    fields = _fields(pattern)
    if missing := [name for name in fields if not known.get(name)]:
        message = f"This node does not say its {missing[0]}, which its name {pattern!r} is made of."
        raise ConfigError("config_invalid", message, "Enrol it by hand, or choose another pattern for the image.")
    return check_device_id(pattern.format(**{name: known[name] for name in fields}))


def facts(root: Path = Path("/")) -> dict[str, str]:
    """What tells this node from its siblings; empty where it cannot be read."""
    serial = next((text for path in SERIALS if (text := _text(root / path))), "")
    cards = sorted((root / "sys/class/net").glob("*/device")) if (root / "sys/class/net").is_dir() else []
    mac = next((text for card in cards if (text := _text(card.parent / "address"))), "")
    return {
        "serial": serial,
        "mac": mac,
        "hostname": _clean(socket.gethostname()),
        "machine_id": _text(root / "etc/machine-id"),
    }


def _enrol(wish: FirstBoot, name: str, state_dir: Path, stop: threading.Event, rand: Callable[[], float]) -> bool:
    """True once enrolled, False where the agent was told to stop first."""
    tries = 0
    while not stop.is_set():
        try:
            # Not the image's bootstrap folder but its own copy: what was baked in is what counts.
            enrol(wish.server_url, state_dir / "trust" / "bootstrap", wish.token, name, wish.hw, state_dir)
            return True
        except Unreachable as error:
            wait_s = full_jitter(tries, rand(), error.retry_after_s, slow=True)
            log.warning("first_boot_waits wait_s=%.0f error=%s", wait_s, error.message)
        except ConfigError as error:
            if error.kind != "enrolment_pending":
                raise
            wait_s = PENDING_S * (0.5 + rand())
            log.info("first_boot_pending device=%s wait_s=%.0f", name, wait_s)
        tries += 1
        stop.wait(wait_s)
    return False


def _check_pattern(pattern: str) -> None:
    fields = _fields(pattern)
    if not fields or any(name not in NAMES for name in fields):
        known = ", ".join(f"{{{name}}}" for name in NAMES)
        raise ConfigError(
            "config_invalid",
            f"{pattern!r} would name every device alike.",
            f"Use one of {known}, as in cam-{{serial}}.",
        )
    check_device_id(pattern.format(**dict.fromkeys(NAMES, "0")))


def _fields(pattern: str) -> list[str]:
    try:
        return [name for _, name, spec, _ in string.Formatter().parse(pattern) if name is not None and not spec]
    except ValueError as error:
        raise ConfigError("config_invalid", f"{pattern!r} is no pattern of a device id: {error}.") from error


def _text(path: Path) -> str:
    try:
        return _clean(path.read_bytes()[:256].decode(errors="replace"))
    except OSError:
        return ""


def _clean(text: str) -> str:
    """Letters, digits and dashes: what a device id may hold and a person can read out."""
    return re.sub(r"[^a-z0-9]+", "-", text.strip("\0 \n").lower()).strip("-")[:48]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        hint = "Give the folder `bootstrap` that `surefoot keys init` made."
        raise ConfigError("config_unreadable", f"{path} cannot be read: {error.strerror}.", hint) from error


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(path, content)
