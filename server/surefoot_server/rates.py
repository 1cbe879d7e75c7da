"""Token buckets, one per key: what a device or an address may ask for in a while.

Promises: memory stays bounded however many keys appear; a bucket that is full again is forgotten. Time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass

KEYS_LIMIT = 20_000
"""Ten times the largest fleet of one process; about 4 MB."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` goes on for ever, `burst` at once."""

    per_s: float
    burst: float

    def __post_init__(self) -> None:
        if self.per_s <= 0 or self.burst < 1:
            raise ValueError("a rate needs per_s above 0 and burst of at least 1")


class TokenBuckets:
    """One bucket per key; not thread-safe, each user keeps its own."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str, now_s: float) -> bool:
        """Take one token; False where the bucket is empty. `now_s` is monotonic."""
        tokens, at = self._buckets.pop(key, (self._rate.burst, now_s))
        tokens = min(self._rate.burst, tokens + (now_s - at) * self._rate.per_s)
        allowed = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if allowed else tokens, now_s)
        if len(self._buckets) > KEYS_LIMIT:
            self._buckets.pop(next(iter(self._buckets)))  # the key unused for longest
        return allowed

    def wait_s(self, key: str) -> float:
        """Seconds until the key has a token again, for Retry-After."""
        tokens, _ = self._buckets.get(key, (self._rate.burst, 0.0))
        return max(0.0, (1.0 - tokens) / self._rate.per_s)
