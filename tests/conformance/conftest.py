"""Our own conformance runner: a repository on the loopback address, and the client behind its public command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from surefoot_agent.__main__ import main
from tests.conformance.repository import Repository, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hundreds of whole client runs over real sockets: not for the fast loop."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


class Client:
    """`surefoot-agent trust`, in this process; `run` starts it as a program, which is how a clock can be turned."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.repository = repository
        self.metadata_dir, self.target_dir = folder / "metadata", folder / "targets"
        self.metadata_dir.mkdir()
        self.target_dir.mkdir()
        self._root = folder / "trusted-root"

    def init(self, root: bytes | None = None) -> int:
        self._root.write_bytes(self.repository.first_root if root is None else root)
        return main(["trust", "--metadata-dir", str(self.metadata_dir), "init", str(self._root)])

    def refresh(self) -> int:
        return main(["trust", *self._where(), "refresh"])

    def download(self, *names: str) -> int:
        return main(["trust", *self._where(), *self._targets(names), "download"])

    def run(self, verb: str, *names: str, at: str | None = None, env: Mapping[str, str] | None = None) -> int:
        """As a program, at another time if given (days with a sign, as faketime takes them)."""
        faked = ["faketime", "-f", at] if at else []
        program = [*faked, sys.executable, "-m", "surefoot_agent", "trust"]
        words = [*self._where(), *(self._targets(names) if names else []), verb]
        done = subprocess.run(
            [*program, *words], env={**os.environ, **(env or {})}, capture_output=True, timeout=60, check=False
        )
        return done.returncode

    def trusts(self) -> dict[str, int]:
        """Role → version of what lies in the metadata folder."""
        from tuf.api.metadata import Metadata

        found = sorted(self.metadata_dir.glob("*.json"))
        return {path.stem: Metadata.from_bytes(path.read_bytes()).signed.version for path in found}

    def artifacts(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.target_dir.iterdir())]

    def _where(self) -> list[str]:
        return ["--metadata-dir", str(self.metadata_dir), "--metadata-url", f"{self.repository.url}/metadata"]

    def _targets(self, names: tuple[str, ...]) -> list[str]:
        named = [word for name in names for word in ("--target-name", name)]
        return [*named, "--target-base-url", f"{self.repository.url}/targets", "--target-dir", str(self.target_dir)]


@pytest.fixture
def repository() -> Iterator[Repository]:
    with serving(Repository()) as served:
        yield served


@pytest.fixture
def client(tmp_path: Path, repository: Repository) -> Client:
    made = Client(tmp_path, repository)
    assert made.init() == 0
    assert repository.requests() == []
    return made
