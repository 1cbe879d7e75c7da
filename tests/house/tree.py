"""Where things lie in the checkout, for the tests that read it rather than run it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "agent": ROOT / "agent" / "surefoot_agent",
    "server": ROOT / "server" / "surefoot_server",
    "shared": ROOT / "shared" / "surefoot_shared",
    "simulators": ROOT / "simulators" / "surefoot_simulators",
}
"""Source root → the one package it holds."""


def modules() -> Iterator[tuple[str, Path]]:
    """Every module as (source root, path inside the package); alembic's versions are data, not modules."""
    for root, package in PACKAGES.items():
        for path in sorted(package.rglob("*.py")):
            inside = path.relative_to(package)
            if "versions" not in inside.parts:
                yield root, inside


def specifications() -> Iterator[Path]:
    return (path for path in sorted((ROOT / "tests").rglob("test_*.py")))


def documents() -> Iterator[Path]:
    """Every page people read: the root's, those beside the code, and docs/."""
    yield from sorted(ROOT.glob("*.md"))
    for folder in ("agent", "server", "shared", "simulators", "packaging", "docs"):
        yield from sorted((ROOT / folder).rglob("*.md"))
