"""The signed policy of a component: what its release keys demand whatever the director says.

It is the image target `policy/COMPONENT.json`; its `custom` object is the policy itself, so a device needs no further
file. It decides nothing here: floors and verify do.
"""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_shared import wire
from surefoot_shared.release import NAME, SHA256


@dataclass(frozen=True, slots=True)
class Policy:
    """`min_svn` becomes the floor of each device that has committed a release with that svn; `revoked` are digests.

    After `max_offline_days` without newly signed metadata a device says so (`stale_metadata`); 0: never.
    """

    component: str
    min_svn: int = 0
    revoked: tuple[str, ...] = ()
    max_offline_days: int = 0
    v: int = 1

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.component) or self.min_svn < 0:
            raise ValueError("component or min_svn is malformed")
        if not all(SHA256.fullmatch(digest) for digest in self.revoked):
            raise ValueError("a revoked digest is malformed")
        if not 0 <= self.max_offline_days <= 3650:
            raise ValueError("max_offline_days is out of range")


def policy_path(component: str) -> str:
    return f"policy/{component}.json"


def policy_bytes(policy: Policy) -> bytes:
    return wire.encode(policy)
