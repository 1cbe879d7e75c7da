"""A permit: leave, signed by the release keys, for named devices to go once from one release to one below their floor.

It is the image target `permits/COMPONENT/ID.json`, so only the component's own release keys can sign one; its `custom`
object is the permit itself. The server can neither make one nor use it twice: devices remember the assignments that
used it. Decides nothing here beyond whether a permit covers a case: floors and verify do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from surefoot_shared import wire
from surefoot_shared.release import NAME, SHA256
from surefoot_shared.topics import DEVICE_ID
from surefoot_shared.trust.clock import parse_time

PERMIT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
DEVICES_LIMIT = 1000
USED_LIMIT = 200
"""Permits that one device remembers having used; a device that used up more of them gets no further one."""


@dataclass(frozen=True, slots=True)
class Permit:
    """`not_after` is UTC. A use is an assignment that was approved because of the permit, installed or not."""

    id: str
    component: str
    from_sha256: str
    to_sha256: str
    devices: tuple[str, ...]
    not_after: str
    reason: str
    max_uses: int = 1
    v: int = 1

    def __post_init__(self) -> None:
        if not PERMIT_ID.fullmatch(self.id) or not NAME.fullmatch(self.component):
            raise ValueError("id or component is malformed")
        if not SHA256.fullmatch(self.from_sha256) or not SHA256.fullmatch(self.to_sha256):
            raise ValueError("from_sha256 or to_sha256 is malformed")
        if not 1 <= len(self.devices) <= DEVICES_LIMIT or not all(DEVICE_ID.fullmatch(d) for d in self.devices):
            raise ValueError("devices must name 1 to 1000 devices")
        if parse_time(self.not_after) is None or self.max_uses != 1 or not self.reason:
            raise ValueError("not_after is no time, max_uses is not 1, or reason is empty")

    def covers(self, device: str, runs: str | None, wanted: str, now: datetime) -> bool:
        """Say whether it lets `device`, which runs `runs`, go to `wanted` at `now`."""
        until = parse_time(self.not_after)
        here = device in self.devices and runs == self.from_sha256 and wanted == self.to_sha256
        return here and until is not None and now <= until


def permit_path(component: str, permit_id: str) -> str:
    return f"{permit_folder(component)}{permit_id}.json"


def permit_folder(component: str) -> str:
    return f"permits/{component}/"


def permit_bytes(permit: Permit) -> bytes:
    return wire.encode(permit)


def may_use(used: Mapping[str, str], permit_id: str, assignment: str) -> bool:
    """Say whether the assignment may use the permit: nobody did, or it is the very one that did."""
    return used.get(permit_id, assignment) == assignment and (permit_id in used or len(used) < USED_LIMIT)
