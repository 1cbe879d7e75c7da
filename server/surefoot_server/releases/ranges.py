"""Which bytes of a blob a request asks for, and how that is answered. Pure. Source: RFC 9110 §13.1.5, §14.

Promises: one range is honoured (206), one beyond the end is refused (416), and what is no single range of bytes, or
was meant for other content (If-Range), is answered with the whole (200).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes [begin, end) of `size_bytes`."""

    status: int
    begin: int
    end: int
    size_bytes: int

    @property
    def content_range(self) -> str:
        """The header's value; empty where the whole is sent."""
        if self.status == 416:
            return f"bytes */{self.size_bytes}"
        return f"bytes {self.begin}-{self.end - 1}/{self.size_bytes}" if self.status == 206 else ""


def part(size_bytes: int, asked: str = "", if_range: str = "", etag: str = "") -> Part:
    """What to answer to the headers Range and If-Range."""
    whole = Part(200, 0, size_bytes, size_bytes)
    found = ONE_RANGE.fullmatch(asked.strip())
    if found is None or (if_range and if_range.strip() != etag):
        return whole
    first, last = found.groups()
    if not first:
        if not last:
            return whole
        begin, end = max(0, size_bytes - int(last)), size_bytes
    else:
        begin, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < begin:
            return whole
    return Part(206, begin, end, size_bytes) if begin < end else Part(416, 0, 0, size_bytes)
