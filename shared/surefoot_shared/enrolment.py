"""What a node and the server say to each other once, over HTTPS, before the node has an identity.

`EnrolRequest` is POSTed to /api/v1/enrol; the answer is `Enrolled` (201), or 202 while an operator has yet to approve.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EnrolRequest:
    """`csr` is a PEM certificate request for the name `device`, signed with the node's own P-256 key."""

    device: str
    hw: str
    token: str
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
    """`certificate` is PEM; its name is the device id."""

    device: str
    certificate: str
    mqtt: MqttAddress
    v: int = 1
