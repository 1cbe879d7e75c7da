"""Leave to download: which lease holds now, and whether a refused one may be asked for again at once.

Promises: validity counts from receipt on the monotonic clock, because device clocks may be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from surefoot_shared.messages import Lease

SUSPECT_S = 5.0
"""A lease refused sooner than this after its arrival is no lease: back off instead of asking at once."""


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease with the monotonic time of its arrival."""

    lease: Lease
    arrived_at: float

    def serves(self, assignment: str, now: float) -> bool:
        return self.lease.assignment == assignment and now < self.arrived_at + self.lease.valid_s

    def from_now(self, now: float) -> Lease:
        """What is left of it, of its time and of its wait: a download that is tried again has waited before."""
        passed_s = now - self.arrived_at
        left_s, wait_s = (max(0.0, each - passed_s) for each in (self.lease.valid_s, self.lease.wait_s))
        return replace(self.lease, valid_s=left_s, wait_s=wait_s)

    def suspect(self, now: float) -> bool:
        return now < self.arrived_at + SUSPECT_S
