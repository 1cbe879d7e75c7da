"""The guard: files of other repositories and devices never reach python-tuf; everything else reaches it unchanged."""

from __future__ import annotations

import json

import pytest
from tuf.api.exceptions import DownloadHTTPError, DownloadLengthMismatchError

from surefoot_shared.trust.fetcher import ForeignFile, GuardedFetcher

BASE = "bundle://image/"


def fetched(text: str, repository: str = "image", device: str | None = None, name: str = "timestamp.json") -> bytes:
    return GuardedFetcher({name: text}, repository, device).download_bytes(BASE + name, 1_000_000)


def signed(role: str, **fields: str) -> str:
    return json.dumps({"signed": {"_type": role, **fields}})


def test_a_file_arrives_byte_for_byte() -> None:
    text = signed("timestamp") + " \n đ"

    assert fetched(text) == text.encode()


def test_a_file_that_is_not_there_is_a_404() -> None:
    with pytest.raises(DownloadHTTPError) as caught:
        GuardedFetcher({}, "image", None).download_bytes(BASE + "9.root.json", 100)

    assert caught.value.status_code == 404


def test_a_file_that_is_too_long_is_refused() -> None:
    with pytest.raises(DownloadLengthMismatchError):
        GuardedFetcher({"timestamp.json": "x" * 101}, "image", None).download_bytes(BASE + "timestamp.json", 100)


@pytest.mark.parametrize("fields", [{}, {"x-repo": "director"}, {"x-repo": ""}])
def test_a_root_that_does_not_name_this_repository_is_dropped(fields: dict[str, str]) -> None:
    with pytest.raises(ForeignFile) as caught:
        fetched(signed("root", **fields), name="2.root.json")

    assert caught.value.kind == "wrong_repository"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("fields", [{}, {"x-device": "cam-18"}, {"x-device": ""}])
def test_a_directors_file_that_does_not_name_this_device_is_dropped(role: str, fields: dict[str, str]) -> None:
    with pytest.raises(ForeignFile) as caught:
        fetched(signed(role, **fields), "director", "cam-17")

    assert caught.value.kind == "wrong_device"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_an_image_file_that_names_a_device_or_another_repository_is_dropped(role: str) -> None:
    for fields, kind in (({"x-device": "cam-17"}, "wrong_device"), ({"x-repo": "director"}, "wrong_repository")):
        with pytest.raises(ForeignFile) as caught:
            fetched(signed(role, **fields))
        assert caught.value.kind == kind


def test_a_directors_root_belongs_to_every_device() -> None:
    assert fetched(signed("root", **{"x-repo": "director"}), "director", "cam-17", "2.root.json")


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "3", "null", '{"signed": 3}', "{}", "[" * 9000, '{"signed": {"_type": 3}}']
)
def test_junk_is_left_to_python_tuf(text: str) -> None:
    assert fetched(text, "director", "cam-17") == text.encode()
