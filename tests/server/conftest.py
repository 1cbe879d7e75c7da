"""The server's parts put together for tests: real SQLite file, keys and director, and a downlink that remembers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_server.keys.init import init_keys
from tests.server.rig import Rig, make_rig

PASSPHRASE = b"passphrase of the tests"


@pytest.fixture(scope="session")
def fleet_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One keys folder for all tests: making the passphrase's key takes most of the time."""
    folder = tmp_path_factory.mktemp("fleet") / "keys"
    init_keys(folder, PASSPHRASE, datetime.now(timezone.utc))
    return folder


@pytest.fixture
def keys_dir(fleet_keys: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    copied = tmp_path / "keys"
    shutil.copytree(fleet_keys, copied)
    return copied


@pytest.fixture
def rig(keys_dir: Path, tmp_path: Path) -> Iterator[Rig]:
    with make_rig(keys_dir, tmp_path / "data") as made:
        yield made
