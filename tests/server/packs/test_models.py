"""A pair is worked on once; its packs are one row each."""

from __future__ import annotations

from surefoot_server.packs.models import PackPair, PackRow


def test_a_pair_is_known_by_both_digests_and_a_pack_by_its_own() -> None:
    assert [column.name for column in PackPair.__table__.primary_key] == ["from_digest", "to_digest"]  # type: ignore[attr-defined]
    assert [column.name for column in PackRow.__table__.primary_key] == ["sha256"]  # type: ignore[attr-defined]
