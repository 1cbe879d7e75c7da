"""The blocks of commands in the documents, each with the page that it stands in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MADE = "<!-- Made by docs/generate.py"
"""Pages made from the code show help, not commands to copy."""


@dataclass(frozen=True)
class Block:
    page: str
    label: str
    text: str

    @property
    def first(self) -> str:
        """Its first command without its comment, by which it is known."""
        return re.sub(r"\s+#.*", "", self.text.splitlines()[0]).rstrip(" \\")

    @property
    def commands(self) -> list[str]:
        """One for each command; a line that ends in a backslash goes on."""
        whole = re.sub(r"\\\n\s*", "", self.text)
        return [line for line in whole.splitlines() if line.strip()]


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: str = "") -> list[Block]:
    """Every fenced block of the pages that people wrote, or of one of them."""
    found = []
    for path in pages():
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        if MADE not in text and page in ("", name):
            found += [Block(name, m[1], m[2]) for m in FENCE.finditer(text)]
    return found


def commands(page: str = "") -> list[Block]:
    return [block for block in blocks(page) if block.label == "sh"]
