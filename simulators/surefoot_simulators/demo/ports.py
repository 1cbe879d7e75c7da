"""Free ports on loopback that stay free until they are used: below the range that outgoing connections are given.

A port from the kernel's own range (bind to 0) is taken by the next connection of any program as soon as it is let go;
with a dozen agents and as many applications starting at once that happens every few runs.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST, USUAL = 15_000, 32_768
"""Above what services of a machine use; where connections begin on Linux unless it was told otherwise."""


def free_ports(count: int) -> tuple[int, ...]:
    """Return so many different ports that nobody listens on; raises OSError where there are none."""
    highest = _first_of_connections()
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for _ in range(200 * count):
            if len(found) == count:
                break
            port = LOWEST + secrets.randbelow(max(highest - LOWEST, 1))
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # taken: try another
                probe.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) < count:
            raise OSError(f"there are no {count} free ports from {LOWEST} to {highest}")
        return tuple(found)


def _first_of_connections() -> int:
    """Where the kernel's range for outgoing connections begins; a machine may have moved it down to ours."""
    try:
        first = int(RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return USUAL
    return first if first > LOWEST + 1000 else 65_536
