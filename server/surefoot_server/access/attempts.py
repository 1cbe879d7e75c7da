"""How often somebody may try to sign in: per address and per name, whatever the answer was.

Promises: past the limit nothing is looked at, so that no guess is spent; the refusal says when to come back. Each
process counts for itself and forgets at its end. Limits are high enough that a person does not meet them.
"""

from __future__ import annotations

import threading

from surefoot_server.rates import Rate, TokenBuckets
from surefoot_shared.errors import Unreachable

ADDRESS_RATE = Rate(per_s=0.5, burst=30)
"""An office behind one address signs in in the morning; behind a proxy of ours everybody has one address."""
NAME_RATE = Rate(per_s=1 / 30, burst=10)
"""2,880 guesses a day at the most (NIST SP 800-63B allows 100 in a row); nobody is locked out for longer than 30 s."""


class Attempts:
    """Thread-safe; `now_s` is monotonic."""

    def __init__(self) -> None:
        self._addresses, self._names = TokenBuckets(ADDRESS_RATE), TokenBuckets(NAME_RATE)
        self._lock = threading.Lock()

    def take(self, address: str, name: str, now_s: float) -> None:
        """Count one attempt; raises Unreachable(too_many) with the time to wait."""
        with self._lock:
            for buckets, key in ((self._addresses, address), (self._names, name)):
                if key and not buckets.take(key, now_s):
                    wait_s = max(1.0, buckets.wait_s(key))
                    raise Unreachable("too_many", "Too many attempts to sign in.", retry_after_s=wait_s)
