"""Which of two versions is the older one, as their ecosystem counts; pure.

PyPI by `packaging` (PEP 440), Debian by deb-version(7): epoch, upstream and revision, in which digits compare as
numbers and `~` comes before everything, even the end. Refuses to guess: what has no order in its ecosystem is None.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

from packaging.version import InvalidVersion, Version

from surefoot_server.findings.bill import DEBIAN, PYPI

Order = Callable[[str], Any]
END = ("", "")
DEBIAN_FORM = re.compile(r"(?:(\d+):)?([0-9A-Za-z.+~:-]*?)(?:-([0-9A-Za-z+.~]*))?")


def order_of(ecosystem: str) -> Order | None:
    """version → a value that can be compared, or None where the text is no version; None for unknown ecosystems."""
    family = ecosystem.partition(":")[0]
    return {PYPI: _pypi, DEBIAN: _debian}.get(family)


def _pypi(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None


def _debian(version: str) -> Any | None:  # what functools makes; it can be compared
    found = DEBIAN_FORM.fullmatch(version)
    if found is None or not found[2]:
        return None
    return _ordered((int(found[1] or 0), found[2], found[3] or "0"))


def _compare(one: tuple[int, str, str], other: tuple[int, str, str]) -> int:
    if one[0] != other[0]:
        return 1 if one[0] > other[0] else -1
    return _part(one[1], other[1]) or _part(one[2], other[2])


_ordered = functools.cmp_to_key(_compare)


def _part(one: str, other: str) -> int:
    """Compare piece by piece: characters that are no digits, then a number."""
    pieces = (re.findall(r"(\D*)(\d*)", text) for text in (one, other))
    for (mine, number), (theirs, rival) in itertools.zip_longest(*pieces, fillvalue=END):
        left, right = (_signs(mine), int(number or 0)), (_signs(theirs), int(rival or 0))
        if left != right:
            return 1 if left > right else -1
    return 0


def _signs(text: str) -> tuple[int, ...]:
    """`~` before the end, the end before letters, letters before everything else."""
    return (*(-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 256 for c in text), 0)
