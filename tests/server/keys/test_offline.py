"""What a keys folder says that the offline keys have signed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tuf.api.metadata import Targets

from surefoot_server.keys.init import init_keys
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.offline import delegated_components, read_targets, targets_bytes
from surefoot_shared.errors import ConfigError
from tests.server.keys.fleet import NOW, PASSPHRASE


def test_the_newest_top_level_counts(tmp_path: Path) -> None:
    init_keys(tmp_path, PASSPHRASE, NOW)
    init_keys(tmp_path, PASSPHRASE, NOW, components=("model",))

    assert read_targets(KeyFolder(tmp_path)).version == 2
    assert b'"version":2' in targets_bytes(KeyFolder(tmp_path))


def test_components_come_with_the_keys_that_may_release_them(tmp_path: Path) -> None:
    init_keys(tmp_path, PASSPHRASE, NOW, components=("app", "model"))

    found = delegated_components(read_targets(KeyFolder(tmp_path)))

    assert set(found) == {"app", "model"}
    assert found["app"] == found["model"]
    assert (len(found["app"].keys), found["app"].threshold) == (1, 1)


def test_a_top_level_that_delegates_nothing_has_no_components() -> None:
    assert delegated_components(Targets()) == {}


def test_a_folder_without_a_repository_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_targets(KeyFolder(tmp_path))

    assert caught.value.kind == "key_missing"
