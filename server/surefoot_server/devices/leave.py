"""How fast a device may download, and how soon it may begin: rates are shared, and a fleet is spread. Pure.

Promises: what is lent of a shared rate (the fleet's, a site's, a rollout's) never adds up to more than it; everybody
gets the same part once those who had more have renewed their lease, which is within `SHARED_VALID_S`, and where the
parts would be too small to be of use devices take turns;
the wait of a device is the same for the same assignment, so that a lease that is given twice does not postpone it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from surefoot_shared.messages import Pack

SPREAD_S = 0.05
"""Each device that wants to download makes the time over which they begin so much longer: 2,000 begin in 100 s."""
SPREAD_LIMIT_S = 600.0
SHARED_VALID_S = 120.0
"""A lease of a shared rate ends soon: the number of those who share it changes."""
LEAST_BYTES_PER_S = 4096
"""Less than this is of no use: whoever would get less waits for a turn."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What the settings say; 0 sets no limit."""

    site_bytes_per_s: int = 0
    device_bytes_per_s: int = 0
    fleet_bytes_per_s: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """A rate that devices share: `sharers` may download now, this one included; others have `lent` of it."""

    total_bytes_per_s: int
    sharers: int
    lent_bytes_per_s: int = 0

    @property
    def least_bytes_per_s(self) -> int:
        return min(LEAST_BYTES_PER_S, self.total_bytes_per_s)

    @property
    def part_bytes_per_s(self) -> int:
        """What this device may have of it; less than the least where it has to wait."""
        fair = max(self.least_bytes_per_s, self.total_bytes_per_s // max(1, self.sharers))
        return min(fair, self.total_bytes_per_s - self.lent_bytes_per_s)


@dataclass(frozen=True, slots=True)
class Ways:
    """By what ways devices get blobs, beside the server's own address over TLS."""

    encodings: tuple[str, ...] = ()
    mint_url: str = ""
    chunk_bytes: int = 0
    plain_url: str = ""
    """Of the listener without TLS, with a slash at its end; the token becomes a part of the address there."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What saves a device bytes on its way to one release; cheapest first."""

    packs: tuple[Pack, ...] = ()
    manifest_packs: tuple[Pack, ...] = ()


@dataclass(frozen=True, slots=True)
class Leave:
    rate_bytes_per_s: int | None
    valid_s: float
    wait_s: float


def leave(
    rates: Rates,
    valid_s: float,
    name: str,
    own_bytes_per_s: int | None = None,
    *,
    shares: Sequence[Share] = (),
    in_fleet: int,
    begun: bool,
) -> Leave | None:
    """Decide on a lease; None where it has to wait until others give back what they have of a rate.

    `own_bytes_per_s` is what this device alone may have. `in_fleet` counts the devices that may download now, this one
    included; `begun`: it does already.
    """
    if any(share.part_bytes_per_s < share.least_bytes_per_s for share in shares):
        return None
    parts = [share.part_bytes_per_s for share in shares]
    limits = [rate for rate in (*parts, rates.device_bytes_per_s, own_bytes_per_s or 0) if rate]
    valid_s = min(valid_s, SHARED_VALID_S) if shares else valid_s
    spread_s = 0.0 if begun or in_fleet < 2 else min(SPREAD_LIMIT_S, SPREAD_S * in_fleet, valid_s / 2)
    return Leave(
        rate_bytes_per_s=min(limits) if limits else None,
        valid_s=valid_s,
        wait_s=round(_fraction(name) * spread_s, 3),
    )


def _fraction(name: str) -> float:
    """A number from 0 to 1 that belongs to the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / (1 << 32)
