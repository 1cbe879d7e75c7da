"""A data folder has one server at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.only_one import only_one
from surefoot_shared.errors import ConfigError


def test_a_second_server_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    data = tmp_path / "data"

    with only_one(data), pytest.raises(ConfigError) as refused, only_one(data):
        pass
    with only_one(data):
        assert data.stat().st_mode & 0o777 == 0o700

    assert refused.value.kind == "already_running"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError) as refused, only_one(tmp_path / "file" / "data"):
        pass

    assert str(tmp_path / "file" / "data") in refused.value.message
