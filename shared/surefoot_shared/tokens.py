"""What a device and the server say when the device fetches over HTTPS: a signed request, and the token it earns.

The request travels in a `Sealed` envelope signed with the device's key. `seq` rises with every request of one journal
(`stream`), so that a copy is worth nothing; `at` is told for the log and proves nothing, because clocks may be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

TOKEN_VALID_S = 3600.0
"""An hour: long enough to fetch a bundle and to ask for leave to download, short enough to be worth little."""


@dataclass(frozen=True)
class TokenRequest:
    device: str
    stream: str
    seq: int
    nonce: str
    at: str
    v: int = 1

    def __post_init__(self) -> None:
        if not 1 <= len(self.stream) <= 50 or not 1 <= len(self.nonce) <= 64 or not 0 < self.seq < 2**62:
            raise ValueError("stream, nonce or seq is out of range")


@dataclass(frozen=True)
class DeviceToken:
    """`valid_s` counts from receipt."""

    token: str
    valid_s: float
    v: int = 1
