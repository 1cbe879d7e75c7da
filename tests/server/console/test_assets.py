"""The files of pages: ours and the vendored ones, which are pinned here byte for byte."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from surefoot_server.console import assets

PINNED = {
    "vendor/htmx/htmx.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "vendor/htmx/hx-sse.min.js": "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
    "vendor/uplot/uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "vendor/uplot/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "vendor/pico/pico.min.css": "fbc9a63fc9fc9f72d12fd7fc9806e11fa9f77ae4f9cad146b27003a1119ba3db",
}
"""SHA-256 of htmx.org 4.0.1, uPlot 1.6.32 and @picocss/pico 2.1.1 as their authors published them on npm."""


@pytest.mark.parametrize("name", sorted(PINNED))
def test_a_vendored_file_is_what_its_authors_published(name: str) -> None:
    assert hashlib.sha256(assets.assets()[name].plain).hexdigest() == PINNED[name]


def test_nothing_vendored_is_without_a_pin_or_its_licence() -> None:
    vendored = {name for name in assets.assets() if name.startswith("vendor/")}
    folders = [path for path in (assets.STATIC / "vendor").iterdir() if path.is_dir()]

    assert vendored == set(PINNED)
    assert [f.name for f in folders if not (f / "LICENSE").read_text().strip()] == []


def test_an_address_changes_with_the_contents() -> None:
    asset = assets.assets()["console.css"]

    assert asset.version == hashlib.sha256(asset.plain).hexdigest()[:12]
    assert assets.address("console.css") == f"/static/console.css?v={asset.version}"


def test_the_compressed_form_is_the_same_file() -> None:
    for asset in assets.assets().values():
        assert gzip.decompress(asset.packed) == asset.plain


def test_what_is_no_file_of_pages_is_not_served() -> None:
    assert not any(name.endswith("LICENSE") for name in assets.assets())
    with pytest.raises(KeyError):
        assets.address("../api.py")


def test_our_files_fetch_nothing_from_elsewhere() -> None:
    for name in ("console.css", "console.js"):
        assert b"http:" not in assets.assets()[name].plain
        assert b"https:" not in assets.assets()[name].plain
