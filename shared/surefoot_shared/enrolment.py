"""What a node and the server say to each other over HTTPS to give the node its identity, and later to renew it.

`EnrolRequest` is POSTed to /api/v1/enrol; the answer is `Enrolled` (201), or 202 while an operator has yet to approve.
`RenewRequest` is POSTed to /api/v1/renew in a `Sealed` envelope; the answer is `Renewed`, or 202 likewise.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EnrolRequest:
    """`csr` is a PEM certificate request for the name `device`, signed with the node's own P-256 key.

    The permission is one of three: the text of a token; a key that was registered beforehand, with neither token nor
    chain; or `chain`, the factory's certificate of this very key and those above it, leaf first, PEM.
    """

    device: str
    hw: str
    token: str
    csr: str
    v: int = 1
    chain: str = ""


@dataclass(frozen=True)
class RenewRequest:
    """`csr` is for a new key; the envelope is signed with the key that the server knows already."""

    device: str
    csr: str
    v: int = 1


@dataclass(frozen=True)
class MqttAddress:
    """Where the broker is; an empty host means: where the server is. `protocol` is 5, or 4 for MQTT 3.1.1."""

    host: str
    port: int
    protocol: int

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536 or self.protocol not in (4, 5):
            raise ValueError("port or protocol is out of range")


@dataclass(frozen=True)
class Enrolled:
    """`certificate` is PEM; its name is the device id. `ca` holds every authority to trust from now on, "": no news."""

    device: str
    certificate: str
    mqtt: MqttAddress
    v: int = 1
    ca: str = ""


@dataclass(frozen=True)
class Renewed:
    """`certificate` is for the new key; `ca` as in `Enrolled`."""

    device: str
    certificate: str
    v: int = 1
    ca: str = ""
