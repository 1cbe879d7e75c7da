"""Apply a patch to a copy of the sources, or say loudly that it fits no more.

Promises: what a hunk takes away must stand in the file exactly once, wherever it moved to; nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HEADER = re.compile(r"^(Scenario|Bug|Seen): (.+)$", re.MULTILINE)
TARGET = re.compile(r"^\+\+\+ b/(\S+)")


class PatchDoesNotFit(AssertionError):
    """The code has changed under it."""


@dataclass(frozen=True)
class Mutant:
    """A deliberate bug, and the scenario that has to see it."""

    name: str
    bug: str
    scenario: str
    seen: str
    """What the scenario then misses, in the words of that expectation."""
    hunks: tuple[tuple[str, str, str], ...]
    """(file, what stands there, what stands there with the bug)."""


def read(path: Path) -> Mutant:
    text = path.read_text()
    facts = dict(HEADER.findall(text))
    return Mutant(path.stem, facts["Bug"], facts["Scenario"], facts["Seen"], tuple(_hunks(text)))


def apply(mutant: Mutant, root: Path) -> None:
    """Put the bug into the sources below `root`."""
    for name, old, new in mutant.hunks:
        file = root / name
        text = file.read_text() if file.exists() else ""
        if text.count(old) != 1:
            raise PatchDoesNotFit(
                f"{mutant.name}.patch: in {name} this stands {text.count(old)} times, not once:\n{old}"
            )
        file.write_text(text.replace(old, new))


def _hunks(text: str) -> list[tuple[str, str, str]]:
    found: list[tuple[str, list[str], list[str]]] = []
    target = ""
    for line in text.splitlines():
        if match := TARGET.match(line):
            target = match[1]
        elif line.startswith("@@"):
            found.append((target, [], []))
        elif found and line[:1] in ("", " ", "-") and not line.startswith("--- "):
            found[-1][1].append(line[1:])
            if line[:1] != "-":
                found[-1][2].append(line[1:])
        elif found and line.startswith("+"):
            found[-1][2].append(line[1:])
    return [(name, "\n".join(old) + "\n", "\n".join(new) + "\n") for name, old, new in found]
