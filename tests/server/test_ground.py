"""What a server stands on is made once and found again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from surefoot_server.config import Settings
from surefoot_server.ground import lay_ground
from surefoot_shared.errors import ConfigError, NotAllowed
from tests.server.rig import NOW


@pytest.mark.slow
def test_a_second_start_finds_what_the_first_one_made(tmp_path: Path, keys_dir: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", keys_dir=keys_dir)
    with ExitStack() as parts:
        first = lay_ground(settings, parts)
        lent = first.leases.mint("a/blob", NOW)
    with ExitStack() as parts:
        second = lay_ground(settings, parts)

    assert first.password
    assert not second.password, "it is told once"
    assert second.leases.check(lent, NOW) == "a/blob"
    with pytest.raises(NotAllowed):
        second.tokens.check(lent, NOW)  # a lease is no token of a device
    assert second.pki.ca.read_bytes() == first.pki.ca.read_bytes()


def test_without_keys_nothing_is_made(tmp_path: Path) -> None:
    with ExitStack() as parts, pytest.raises(ConfigError):
        lay_ground(Settings(data_dir=tmp_path / "data", keys_dir=tmp_path / "none"), parts)

    assert not (tmp_path / "data" / "surefoot.db").exists()
