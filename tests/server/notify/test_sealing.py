"""What was sealed opens with the server's key and for its owner only."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.notify.sealing import Sealing
from surefoot_shared.errors import ConfigError


def test_a_secret_opens_again_after_a_restart(tmp_path: Path) -> None:
    sealed = Sealing(tmp_path / "notify.key").seal("w1", "https://hooks.example.com/T0/secret")

    assert b"secret" not in sealed
    assert Sealing(tmp_path / "notify.key").open("w1", sealed) == "https://hooks.example.com/T0/secret"
    assert (tmp_path / "notify.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("file", "owner"), [("other.key", "w1"), ("notify.key", "w2")])
def test_another_key_or_owner_is_told_as_such(tmp_path: Path, file: str, owner: str) -> None:
    sealed = Sealing(tmp_path / "notify.key").seal("w1", "x")

    with pytest.raises(ConfigError, match="is not the key"):
        Sealing(tmp_path / file).open(owner, sealed)
