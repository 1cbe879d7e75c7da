"""The halt list on its own: who may sign it, until when it counts, and what it may contain."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tuf.api.metadata import Metadata, Root, Targets

from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.trust.fields import X_DIGESTS, X_HALT, X_REPO, X_ROLE
from surefoot_shared.trust.halt import DIGESTS_LIMIT, RAW_LIMIT_BYTES, sign_halt, verify_halt
from surefoot_shared.trust.signing import sign
from tests.shared.trust.simulator import NOW, FleetSimulator, Keys

GOOD = {X_REPO: "director", X_ROLE: "halt", X_DIGESTS: ["0" * 64]}


@pytest.fixture
def fleet() -> FleetSimulator:
    return FleetSimulator(halt=Keys.new(3, 2))


def root(fleet: FleetSimulator) -> Root:
    return Metadata[Root].from_bytes(fleet.director_roots["1.root.json"].encode()).signed


def refused(fleet: FleetSimulator, raw: bytes, changed: Root | None = None) -> str:
    with pytest.raises(UntrustedRelease) as caught:
        verify_halt(raw, changed or root(fleet), NOW)
    return caught.value.kind


def test_the_digests_are_sorted_and_single(fleet: FleetSimulator) -> None:
    raw = sign_halt(["b" * 64, "a" * 64, "b" * 64], 3, NOW, fleet.halt.signers[:2])

    halt = verify_halt(raw, root(fleet), NOW)

    assert (halt.epoch, halt.digests) == (3, ("a" * 64, "b" * 64))
    assert halt.expires == NOW + timedelta(days=30)


def test_fewer_keys_than_the_threshold_halt_nothing(fleet: FleetSimulator) -> None:
    assert refused(fleet, sign_halt([], 1, NOW, fleet.halt.signers[:1])) == "metadata_untrusted"


def test_no_signature_halts_nothing(fleet: FleetSimulator) -> None:
    assert refused(fleet, sign_halt([], 1, NOW, [])) == "metadata_untrusted"


def test_an_expired_list_is_refused_to_the_second(fleet: FleetSimulator) -> None:
    raw = sign_halt([], 1, NOW, fleet.halt.signers, timedelta(seconds=10))

    assert verify_halt(raw, root(fleet), NOW + timedelta(seconds=9)).epoch == 1
    with pytest.raises(UntrustedRelease, match="expired"):
        verify_halt(raw, root(fleet), NOW + timedelta(seconds=10))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({**GOOD, X_REPO: "image"}, "wrong_repository"),
        ({**GOOD, X_ROLE: "targets"}, "wrong_repository"),
        ({X_DIGESTS: []}, "wrong_repository"),
        ({X_REPO: "director", X_ROLE: "halt"}, "bundle_malformed"),
        ({**GOOD, X_DIGESTS: "0" * 64}, "bundle_malformed"),
        ({**GOOD, X_DIGESTS: ["short"]}, "bundle_malformed"),
        ({**GOOD, X_DIGESTS: [3]}, "bundle_malformed"),
        ({**GOOD, X_DIGESTS: ["0" * 64] * (DIGESTS_LIMIT + 1)}, "bundle_malformed"),
    ],
)
def test_a_genuinely_signed_document_of_another_form_is_no_halt_list(
    fleet: FleetSimulator, fields: dict[str, object], kind: str
) -> None:
    raw = sign(Targets(1, expires=NOW + timedelta(days=1), unrecognized_fields=fields), fleet.halt.signers)

    assert refused(fleet, raw) == kind


@pytest.mark.parametrize("raw", [b"", b"junk", b"{}", b"[" * 9000, b"x" * (RAW_LIMIT_BYTES + 1)])
def test_junk_is_refused(fleet: FleetSimulator, raw: bytes) -> None:
    assert refused(fleet, raw) in ("metadata_untrusted", "bundle_malformed")


@pytest.mark.parametrize(
    "field",
    [None, 3, {}, {"keys": {}, "keyids": [], "threshold": 0}, {"keys": {"a": 3}, "keyids": ["a"], "threshold": 1}],
)
def test_a_root_without_a_usable_halt_role_trusts_no_list(fleet: FleetSimulator, field: object) -> None:
    changed = root(fleet)
    changed.unrecognized_fields[X_HALT] = field

    assert refused(fleet, sign_halt([], 1, NOW, fleet.halt.signers), changed) == "metadata_untrusted"
