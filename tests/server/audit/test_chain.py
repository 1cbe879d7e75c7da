"""Whoever has the rows and kept a checkpoint finds an edit, a gap, a change of order and a cut."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from surefoot_server.audit.chain import GENESIS, Row, hash_of, is_signed, signed_bytes, walk
from surefoot_shared.messages import Checkpoint
from tests.server.rig import NOW


def chain_of(count: int, actor: str = "first") -> list[Row]:
    rows, previous = [], GENESIS
    for n in range(1, count + 1):
        row = Row(n, NOW + timedelta(seconds=n), actor, "rollout.pause", f"rollout:r{n}", {"n": n}, previous, "")
        row = replace(row, hash=hash_of(row))
        rows.append(row)
        previous = row.hash
    return rows


WHOLE = chain_of(6)
NOTED = Checkpoint(5, WHOLE[4].hash, "noon", "")
ATTACKS: dict[str, tuple[Callable[[list[Row]], list[Row]], int]] = {
    "edit": (lambda rows: [replace(r, actor="nobody") if r.seq == 3 else r for r in rows], 3),
    "delete": (lambda rows: [r for r in rows if r.seq != 3], 3),
    "reorder": (lambda rows: [*rows[:2], rows[3], rows[2], *rows[4:]], 3),
    "reorder and renumber": (
        lambda rows: [*rows[:2], replace(rows[3], seq=3), replace(rows[2], seq=4), *rows[4:]],
        3,
    ),
    "truncate": (lambda rows: rows[:4], 5),
    "truncate everything": (lambda _rows: [], 1),
    "write anew": (lambda _rows: chain_of(6, "nobody"), 5),
}


def test_an_untouched_chain_leads_through_its_checkpoint() -> None:
    assert walk(WHOLE, NOTED).whole
    assert (walk(WHOLE).rows, walk(WHOLE).head) == (6, WHOLE[-1].hash)


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_each_attack_is_found_with_a_checkpoint(attack: str) -> None:
    spoil, broken_at = ATTACKS[attack]

    assert walk(spoil(WHOLE), NOTED).broken_at == broken_at


@pytest.mark.parametrize("attack", ["truncate", "truncate everything", "write anew"])
def test_without_a_checkpoint_a_cut_cannot_be_seen(attack: str) -> None:
    assert walk(ATTACKS[attack][0](WHOLE)).whole


def test_the_words_say_which_rows_are_gone() -> None:
    assert walk(WHOLE[:3], NOTED).problem == "rows 4 to 5, which were there at noon, were cut off"


@given(st.data())
def test_any_change_of_any_field_is_found(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, 5))
    name = data.draw(st.sampled_from(["actor", "action", "object", "previous", "hash", "detail", "at"]))
    value = {"detail": {"n": -1}, "at": NOW - timedelta(days=1)}.get(name, "x" * 64)

    spoilt = [replace(r, **{name: value}) if i == index else r for i, r in enumerate(WHOLE)]

    assert not walk(spoilt, NOTED).whole


@pytest.mark.parametrize("change", [{}, {"size": 4}, {"head": "0" * 64}, {"at": "later"}, {"signature": "?"}])
def test_a_checkpoint_is_signed_as_a_whole(change: dict[str, object]) -> None:
    key = Ed25519PrivateKey.generate()
    signature = base64.b64encode(key.sign(signed_bytes(5, WHOLE[4].hash, "noon"))).decode()
    made = replace(NOTED, signature=signature)

    assert is_signed(replace(made, **change), key.public_key()) is (not change)  # type: ignore[arg-type]
    assert not is_signed(made, Ed25519PrivateKey.generate().public_key())
