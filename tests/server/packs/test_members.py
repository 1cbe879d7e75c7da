"""A part of a release is patched where that is smaller, and travels as it is where it is not."""

from __future__ import annotations

import zlib
from pathlib import Path

import hdiffpatch
import numpy as np
import pytest

from surefoot_server.packs import members
from surefoot_server.packs.members import Maker, lacking, plain_name
from surefoot_shared.pack import Base, MemberKind
from tests.server.packs import shelf
from tests.server.packs.shelf import KIB, noise


def test_only_what_the_old_release_lacks_is_made_in_the_order_of_files(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)

    wanted = [made.new.manifest.files[target].path for target, _, _ in lacking(made.new, made.old)]

    assert wanted == ["bin/app", "lib/libx-99887766.so.1.3", "more/a"]


def test_a_large_target_is_made_in_parts_that_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "PART_BYTES", 256 * KIB)
    made = shelf.make(tmp_path)

    parts = [(at, size) for target, at, size in lacking(made.new, made.old) if made.new.sizes[target] > 256 * KIB]

    assert [at for at, _ in parts] == [0, 256 * KIB, 512 * KIB]
    assert sum(size for _, size in parts) == len(shelf.library(True))


def test_a_file_that_was_renamed_and_moved_inside_costs_a_fraction(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)
    target, at, size = next(one for one in lacking(made.new, made.old) if one[2] > KIB)

    member = Maker(made.new, made.old).make(target, at, size)

    before = b"".join(made.old.base_bytes(base.file, base.at, base.size_bytes) for base in member.member.bases)
    assert member.member.kind is MemberKind.HDIFFPATCH
    assert len(member.payload) < size // 20
    assert hdiffpatch.apply(before, member.payload) == shelf.library(True)


def test_weights_that_were_trained_further_cost_their_differences_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "PART_BYTES", 128 * KIB)
    numbers = np.random.default_rng(1)
    weights = numbers.normal(0, 0.1, 50_000)
    moved = (weights + numbers.normal(0, 0.001, 50_000)).astype("<f4").tobytes()
    made = shelf.make(tmp_path, {"net-1.bin": weights.astype("<f4").tobytes()}, {"net-2.bin": moved})
    maker = Maker(made.new, made.old)

    parts = [maker.make(*wanted) for wanted in lacking(made.new, made.old)]

    assert [part.member.bases for part in parts] == [
        (Base(0, 0, 128 * KIB),),
        (Base(0, 128 * KIB, 200_000 - 128 * KIB),),
    ]
    assert len(zlib.compress(b"".join(part.payload for part in parts))) < 0.9 * len(zlib.compress(moved))


@pytest.mark.parametrize("content", [noise(70 * KIB, 50), b"nothing like it"], ids=["large", "small"])
def test_what_resembles_nothing_travels_as_it_is(tmp_path: Path, content: bytes) -> None:
    made = shelf.make(tmp_path, new={"fresh": content})

    (one,) = [Maker(made.new, made.old).make(*wanted) for wanted in lacking(made.new, made.old)]

    assert (one.member.kind, one.payload, one.member.bases) == (MemberKind.PLAIN, content, ())


def test_a_patch_that_does_not_give_the_right_bytes_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shelf.make(tmp_path)
    target, at, size = next(one for one in lacking(made.new, made.old) if one[2] > KIB)
    monkeypatch.setattr(hdiffpatch, "apply", lambda _before, _patch: b"wrong")

    assert Maker(made.new, made.old).make(target, at, size).member.kind is MemberKind.PLAIN


def test_without_an_old_release_every_member_is_plain(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)

    kinds = {Maker(made.new, None).make(*one).member.kind for one in lacking(made.new, None)}

    assert kinds == {MemberKind.PLAIN}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("numpy.libs/libopenblas64_-56d6093b.so", "numpy.libs/libopenblas64_-fdde5778.so"),
        ("capi/libonnxruntime.so.1.23.1", "capi/libonnxruntime.so.1.24.1"),
        ("pillow-11.3.0.dist-info/RECORD", "pillow-12.0.0.dist-info/RECORD"),
    ],
)
def test_names_are_the_same_but_for_versions_and_hashes(one: str, other: str) -> None:
    assert plain_name(one) == plain_name(other)
