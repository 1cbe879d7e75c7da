"""Blobs are compressed beside a release where that is worth it, and the release stays the same."""

from __future__ import annotations

import random
from pathlib import Path

from backports import zstd

from surefoot_server.releases.build import build_release, read_release
from surefoot_server.releases.recipe import Recipe

TEXT, NOISE = b"the same words again and again " * 9000, random.Random(1).randbytes(50_000)
RECIPE = Recipe("app", "1", 1, hw=("rpi5",))


def made(folder: Path, name: str, told: list[tuple[int, int]] | None = None) -> Path:
    source = folder / f"source-{name}"
    source.mkdir()
    for path, content in (("text", TEXT), ("noise", NOISE), ("small", b"a" * 200)):
        (source / path).write_bytes(content)
    note = None if told is None else lambda done, total: told.append((done, total))
    build_release(source, RECIPE, folder / name, compressing=note)
    return folder / name


def test_only_what_gets_smaller_has_a_form_and_it_gives_the_blob(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    forms = read_release(made(tmp_path, "out", told)).forms()

    (form,) = forms.values()
    assert form.stat().st_size < len(TEXT) // 100
    assert zstd.decompress(form.read_bytes()) == TEXT
    assert zstd.get_frame_info(form.read_bytes()).decompressed_size == len(TEXT)
    assert told[-1] == (len(TEXT) + len(NOISE) + 200,) * 2


def test_the_digest_does_not_depend_on_forms(tmp_path: Path) -> None:
    with_forms, without = made(tmp_path, "with", []), made(tmp_path, "without")

    assert read_release(with_forms).digest == read_release(without).digest
    assert read_release(without).forms() == {}
