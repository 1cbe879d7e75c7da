"""The server's parts put together for tests: real SQLite file, keys and director, and a downlink that remembers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from surefoot_server.access import passwords
from surefoot_server.keys.init import init_keys
from surefoot_simulators.bench.postgresql import cluster
from tests.server.postgresql import Cluster
from tests.server.rig import Rig, make_rig, make_rig_on

PASSPHRASE = b"passphrase of the tests"


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """A hash that costs 0.1 s in earnest costs a millisecond here; the real one has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        yield


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    with cluster() as url:
        made = Cluster(url)
        yield made
        made.dispose()


@pytest.fixture
def postgresql_rig(postgresql: Cluster, keys_dir: Path, tmp_path: Path) -> Iterator[Rig]:
    """The server's parts on a PostgreSQL database of their own."""
    with make_rig_on(postgresql.fresh(), keys_dir, tmp_path / "data-postgresql") as made:
        yield made
