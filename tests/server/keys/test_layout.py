"""Names of files in a keys folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys.layout import OFFLINE, ONLINE, KeyFolder, key_file, latest, versions_of


def test_versions_are_ordered_as_numbers(tmp_path: Path) -> None:
    for name in ("9.rel-app.json", "10.rel-app.json", "2.rel-app.json", "11.rel-model.json"):
        (tmp_path / name).touch()

    assert versions_of(tmp_path, "rel-app") == [2, 9, 10]
    assert latest(tmp_path, "rel-app") == tmp_path / "10.rel-app.json"


@pytest.mark.parametrize(
    "name", ["root.json", "0.root.json", "01.root.json", "1.root.json.new", ".1.root.json.7.new", "x"]
)
def test_files_of_another_form_are_not_versions(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    assert versions_of(tmp_path, "root") == []
    assert latest(tmp_path, "root") is None


def test_a_folder_that_does_not_exist_holds_no_versions(tmp_path: Path) -> None:
    assert versions_of(tmp_path / "nowhere", "root") == []


def test_no_key_is_both_offline_and_online(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path)

    assert set(OFFLINE).isdisjoint(ONLINE)
    assert keys.builders == tmp_path / "builders"
    assert key_file(keys.offline, "image-root") == tmp_path / "offline" / "image-root.pem"
