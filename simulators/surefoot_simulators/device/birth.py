"""What a simulated device is made of, and what it asks of the world around it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from surefoot_shared.identity import DeviceKey
from surefoot_simulators.device.boot import Kind
from surefoot_simulators.device.conduct import Conduct
from surefoot_simulators.device.lanes import Later
from surefoot_simulators.device.link import Broker

if TYPE_CHECKING:
    from surefoot_simulators.device.node import Node


@dataclass(frozen=True)
class Birth:
    """What a device is made of. `quiet_s` is its longest step while nothing is under way."""

    name: str
    hw: str
    site: str
    key: DeviceKey
    component: str = "app"
    beside: tuple[str, ...] = ()
    """Further components, each in folders."""
    boot: Kind = Kind.LINK
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    heartbeat_s: float = 3600.0
    telemetry_s: float = 3600.0
    quiet_s: float = 600.0
    guard_budget_s: float = 300.0
    max_starts: int = 3
    agent: str = "1.0"


class Around(Protocol):
    """The world around a device."""

    later: Later
    started_at: datetime

    @property
    def broker(self) -> Broker: ...
    @property
    def blobs(self) -> Mapping[str, bytes]: ...
    def now(self) -> float: ...
    def chance(self, *about: object) -> random.Random:
        """A generator of one thing's own, from the seed."""

    def size_of(self, size_bytes: int) -> int: ...
    def conduct(self, birth: Birth, version: str) -> Conduct: ...
    def figures(self, birth: Birth, conduct: Conduct, up_s: float) -> Mapping[str, float]: ...
    def speaks(self, node: Node) -> None:
        """The device begins to do something: what is logged from now on is its own."""

    def stirred(self, node: Node) -> None:
        """The device did something; look at it."""
