"""Packs hold members within bounds, and the same members give the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from surefoot_server.packs import compose
from surefoot_server.packs.follow import decode
from surefoot_server.packs.members import Made
from surefoot_shared.pack import (
    HEAD_BYTES,
    INDEX_LIMIT_BYTES,
    WHOLE,
    Base,
    Encoding,
    Member,
    MemberKind,
    index_length,
    parse_index,
)

TO = "2" * 64


def plain(target: int, payload: bytes) -> Made:
    return Made(Member(target, 0, len(payload), MemberKind.PLAIN, len(payload)), payload)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_pack_is_a_file_of_its_own_name_and_decodes_to_index_and_payloads(tmp_path: Path, encoding: Encoding) -> None:
    (pack,) = compose.compose(WHOLE, TO, [plain(0, b"one"), plain(4, b"two" * 1000)], encoding, tmp_path)

    raw = (tmp_path / pack.sha256).read_bytes()
    decoded = decode(raw, encoding)
    begin = HEAD_BYTES + index_length(decoded[:HEAD_BYTES])
    assert hashlib.sha256(raw).hexdigest() == pack.sha256
    assert (len(raw), len(decoded)) == (pack.size_bytes, pack.decoded_bytes)
    assert [member.target for member in parse_index(decoded[HEAD_BYTES:begin]).members] == [0, 4]
    assert decoded[begin:] == b"one" + b"two" * 1000


def test_the_same_members_give_the_same_pack(tmp_path: Path) -> None:
    names = [next(compose.compose(WHOLE, TO, [plain(0, b"same" * 99)], Encoding.XZ, tmp_path)).sha256 for _ in range(2)]

    assert names[0] == names[1]


def test_members_go_into_several_packs_where_one_would_be_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "DECODED_BYTES", 1000)
    made = [plain(n, bytes([n]) * 400) for n in range(5)]

    packs = list(compose.compose(WHOLE, TO, made, Encoding.IDENTITY, tmp_path))

    assert [pack.members for pack in packs] == [2, 2, 1]


def test_patches_of_scattered_bases_go_into_several_packs_before_the_index_is_too_long(tmp_path: Path) -> None:
    bases = tuple(Base(7, 1_000_000 + 131_072 * n, 65_536) for n in range(40))
    made = [Made(Member(n, 0, 4, MemberKind.HDIFFPATCH, 1, bases), b"!") for n in range(2500)]

    packs = list(compose.compose("1" * 64, TO, made, Encoding.IDENTITY, tmp_path))

    found: list[int] = []
    for pack in packs:
        decoded = (tmp_path / pack.sha256).read_bytes()
        length = index_length(decoded[:HEAD_BYTES])
        found += [member.target for member in parse_index(decoded[HEAD_BYTES : HEAD_BYTES + length]).members]
        assert length <= INDEX_LIMIT_BYTES
    assert found == list(range(2500))
    assert len(packs) == 2


def test_where_nothing_is_lacking_there_is_no_pack(tmp_path: Path) -> None:
    assert list(compose.compose(WHOLE, TO, [], Encoding.XZ, tmp_path)) == []
