"""The table of deliberate bugs, from their patches: which scenario sees each, and by which expectation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import markdown

PATCHES = Path(__file__).parents[1] / "tests" / "mutations"
HEAD = ("patch", "the bug", "seen by", "what is no longer so")


def table() -> str:
    """tests/mutations holds the patches to what it says."""
    return markdown.table(HEAD, rows()) + "\n"


def rows() -> Iterator[tuple[str, ...]]:
    for path in sorted(PATCHES.glob("*.patch")):
        head = path.read_text().partition("\n\n")[0]
        facts = dict(line.split(": ", 1) for line in head.splitlines())
        yield f"`{path.stem}`", facts["Bug"], f"`{facts['Scenario']}`", facts["Seen"]
