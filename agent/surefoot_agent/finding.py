"""One answer of `surefoot-agent check`: what was looked at, whether it is right, and what to do where it is not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    name: str
    ok: bool
    message: str
    hint: str = ""
