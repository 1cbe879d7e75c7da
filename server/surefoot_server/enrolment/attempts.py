"""How often somebody may ask to be enrolled: per address and per device id, whatever the answer was.

Promises: past the limit nothing is verified, and the refusal says when to come back. Each process counts for itself
and forgets at its end.
"""

from __future__ import annotations

import threading

from surefoot_server.rates import Rate, TokenBuckets
from surefoot_shared.errors import Unreachable

ADDRESS_RATE = Rate(per_s=5.0, burst=100)
"""A hundred cameras behind one router may enrol at once, a flood of signatures may not."""
NAME_RATE = Rate(per_s=0.2, burst=20)
"""A node that waits for approval asks every few seconds at the most."""


class Attempts:
    """Thread-safe; `now_s` is monotonic."""

    def __init__(self, addresses: Rate = ADDRESS_RATE, names: Rate = NAME_RATE) -> None:
        self._addresses, self._names = TokenBuckets(addresses), TokenBuckets(names)
        self._lock = threading.Lock()

    def take(self, address: str, device: str, now_s: float) -> None:
        """Count one attempt; raises Unreachable(busy) with the time to wait. An empty key is not counted."""
        with self._lock:
            for buckets, key, whose in (
                (self._addresses, address, "from this address"),
                (self._names, device, "for this device"),
            ):
                if key and not buckets.take(key, now_s):
                    wait_s = max(1.0, buckets.wait_s(key))
                    raise Unreachable("busy", f"Too many enrolments {whose}.", retry_after_s=wait_s)
