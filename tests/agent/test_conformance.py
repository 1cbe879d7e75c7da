"""The seam's own duties; what the protocol demands of it is in tests/conformance."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import conformance
from surefoot_shared.errors import ConfigError, UntrustedRelease
from tests.conformance.repository import Repository, serving


def test_the_first_root_is_kept_apart_from_the_metadata(tmp_path: Path) -> None:
    repository = Repository()
    (tmp_path / "root").write_bytes(repository.first_root)

    conformance.init(tmp_path / "metadata", tmp_path / "root")

    assert (tmp_path / "metadata" / conformance.BOOTSTRAP).read_bytes() == repository.first_root
    assert [path.name for path in (tmp_path / "metadata").glob("*.json")] == ["root.json"]


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent"):
        conformance.init(tmp_path / "metadata", tmp_path / "absent")


def test_nothing_is_refreshed_without_a_first_root(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        conformance.refresh(tmp_path, "http://127.0.0.1:1")

    assert caught.value.kind == "not_enrolled"


def test_an_artifact_that_no_role_lists_is_not_released(tmp_path: Path) -> None:
    with serving(Repository()) as repository:
        (tmp_path / "root").write_bytes(repository.first_root)
        conformance.init(tmp_path / "metadata", tmp_path / "root")

        with pytest.raises(UntrustedRelease) as caught:
            conformance.download(tmp_path / "metadata", f"{repository.url}/metadata", ["x"], "", tmp_path)

    assert caught.value.kind == "not_released"
