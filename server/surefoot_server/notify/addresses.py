"""Which addresses a webhook may reach: none inside, unless the settings name it.

Promises: a name is resolved once, every address it has is judged, and the connection goes to a judged one, so that a
name which answers otherwise a moment later gains nothing. Refuses what is not a plain public address: loopback,
private, link-local (the cloud's metadata), multicast, reserved, and IPv4 hidden in IPv6.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from surefoot_shared.errors import NotAllowed, Unreachable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
HIDDEN = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""NAT64: an IPv4 address in the last bits."""


def networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, 192.168.1.5` → networks; raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable("unreachable", f"{host} has no address.") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def reachable(host: str, port: int, allowed: Sequence[Network], resolved: Resolve = resolve) -> str:
    """Return the address to connect to; raises NotAllowed where any of the host's addresses is inside."""
    found = [ipaddress.ip_address(text.partition("%")[0]) for text in resolved(host, port)]
    for address in found:
        if not _may_reach(address, allowed):
            raise NotAllowed(
                "not_allowed",
                f"{host} leads to {address}, which is no public address.",
                "An administrator may allow it with webhook_allow in the server's settings.",
            )
    if not found:
        raise Unreachable("unreachable", f"{host} has no address.")
    return str(found[0])


def _may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    if any(address in network for network in allowed if network.version == address.version):
        return True
    inner = _inside(address)
    if inner is not None:
        return _may_reach(inner, allowed)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inside(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return None
    if any(address in network for network in HIDDEN):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
