"""Signatures are added to the same bytes, counted from what the delegators list, and never taken on anybody's word."""

from __future__ import annotations

import json

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Snapshot, Targets

from surefoot_server.keys.ceremony import Delegator, cosigned, merged, read_signed, standing
from surefoot_server.keys.signers import named
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.trust.repository import build_release_role, build_root, build_targets
from surefoot_shared.trust.signing import RoleKeys, new_signer, sign
from tests.server.keys.fleet import NOW

SECOND, FIRST, THIRD, EVE = (new_signer() for _ in range(4))
PEOPLE = RoleKeys(
    tuple(named(signer.public_key, name) for signer, name in ((SECOND, "second"), (FIRST, "first"), (THIRD, "third"))),
    2,
)
TOP = (Delegator(build_targets(1, NOW, {"app": PEOPLE}), "rel-app"),)
ROLE = sign(build_release_role(2, NOW, ()), ())


def test_a_first_signature_says_in_the_file_and_by_name_what_is_missing() -> None:
    raw = cosigned(ROLE, TOP, [SECOND])

    found = standing(raw, TOP)
    assert (found.version, found.missing, found.signed, found.may_sign) == (2, 1, ("second",), ("first", "third"))
    assert json.loads(raw)["x-missing"] == 1


def test_the_second_signature_completes_it_and_the_mark_goes() -> None:
    raw = cosigned(cosigned(ROLE, TOP, [SECOND]), TOP, [THIRD])

    assert standing(raw, TOP).complete
    assert "x-missing" not in json.loads(raw)
    metadata = Metadata[Targets].from_bytes(raw)
    TOP[0].signed.verify_delegate("rel-app", metadata.signed_bytes, metadata.signatures)


def test_a_cosigner_signs_the_very_bytes_that_the_first_signed() -> None:
    first = cosigned(ROLE, TOP, [SECOND])

    second = cosigned(first, TOP, [FIRST])

    assert read_signed(first).signed_bytes == read_signed(second).signed_bytes
    assert (
        read_signed(second).signatures[SECOND.public_key.keyid]
        == read_signed(first).signatures[SECOND.public_key.keyid]
    )


def test_signing_twice_with_one_key_counts_once() -> None:
    assert standing(cosigned(cosigned(ROLE, TOP, [SECOND]), TOP, [SECOND]), TOP).missing == 1


def test_no_more_signatures_are_made_than_are_needed() -> None:
    assert len(read_signed(cosigned(ROLE, TOP, [SECOND, FIRST, THIRD])).signatures) == 2


def test_a_key_that_is_not_listed_adds_nothing() -> None:
    assert standing(cosigned(ROLE, TOP, [EVE]), TOP).signed == ()
    assert read_signed(cosigned(ROLE, TOP, [EVE])).signatures == {}


def test_a_file_that_calls_itself_complete_is_not_believed() -> None:
    liar = json.loads(cosigned(ROLE, TOP, [SECOND]))
    liar["x-missing"] = 0

    assert standing(json.dumps(liar).encode(), TOP).missing == 1


def test_a_signature_of_other_bytes_does_not_count() -> None:
    forged = json.loads(cosigned(ROLE, TOP, [SECOND]))
    forged["signed"]["version"] = 9

    assert standing(json.dumps(forged).encode(), TOP).signed == ()


def test_a_signature_under_a_name_that_is_not_its_own_does_not_count() -> None:
    raw = json.loads(cosigned(ROLE, TOP, [SECOND]))
    raw["signatures"][0]["keyid"] = FIRST.public_key.keyid

    assert standing(json.dumps(raw).encode(), TOP).signed == ()


def test_copies_that_went_round_separately_are_put_together() -> None:
    one, other = cosigned(ROLE, TOP, [SECOND]), cosigned(ROLE, TOP, [THIRD])

    assert standing(merged(one, other, TOP), TOP).complete


def test_copies_of_different_bytes_are_never_put_together() -> None:
    other = cosigned(sign(build_release_role(3, NOW, ()), ()), TOP, [THIRD])

    with pytest.raises(UntrustedRelease):
        merged(cosigned(ROLE, TOP, [SECOND]), other, TOP)


def _root(version: int, *signers: CryptoSigner, threshold: int = 1) -> Delegator:
    keys = RoleKeys(tuple(named(each.public_key, each.public_key.keyid[:6]) for each in signers), threshold)
    roles = dict.fromkeys(("root", "targets", "snapshot", "timestamp"), keys)
    return Delegator(build_root("image", "fleet", version, NOW, NOW, roles), "root")


def test_a_new_root_needs_the_old_and_the_new_keys_and_one_who_holds_both_counts_for_both() -> None:
    old, new = _root(1, SECOND, FIRST, threshold=2), _root(2, FIRST, THIRD, threshold=2)
    raw = sign(new.signed, ())  # type: ignore[type-var]  # it is a root

    assert standing(raw, (old, new)).missing == 3
    assert standing(cosigned(raw, (old, new), [FIRST]), (old, new)).missing == 2
    assert standing(cosigned(raw, (old, new), [FIRST, SECOND, THIRD]), (old, new)).complete


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"\xff", b"{" * 3000, sign(Snapshot(), ())])
def test_what_is_no_offline_metadata_is_refused(raw: bytes) -> None:
    with pytest.raises(UntrustedRelease):
        read_signed(raw)
