"""Read the table of deliberate bugs from their patches: which scenario sees each, and by which expectation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PATCHES = Path(__file__).parents[1] / "tests" / "mutations"


def rows() -> Iterator[tuple[str, str, str, str]]:
    """(patch, bug, scenario, the expectation that is not met); `make soak` and tests/mutations hold patches to it."""
    for path in sorted(PATCHES.glob("*.patch")):
        head = path.read_text().partition("\n\n")[0]
        facts = dict(line.split(": ", 1) for line in head.splitlines())
        yield path.stem, facts["Bug"], facts["Scenario"], facts["Seen"]
