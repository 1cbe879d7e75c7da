from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot_agent.clock import stamp
from surefoot_agent.privileged.chain import prove
from surefoot_agent.privileged.chain_talk import Listed, Question
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.release import digest_of
from surefoot_shared.trust.permit import Permit
from surefoot_shared.trust.policy import Policy
from tests.shared.trust.simulator import DEVICE, NOW, FleetSimulator, Keys


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version("1.1", 101, 3)
    return made


def text(raw: str | bytes) -> str:
    return base64.b64encode(raw.encode() if isinstance(raw, str) else raw).decode()


def question(fleet: FleetSimulator, **changes: object) -> Question:
    plain = Question(
        component="app",
        digest=digest_of(fleet.manifests["app", "1.1"]),
        root=text(fleet.image["1.root.json"]),
        newer_roots=(),
        targets=text(fleet.image[f"{fleet.version['targets']}.targets.json"]),
        role=text(fleet.image[f"{fleet.version['rel-app']}.rel-app.json"]),
        now=stamp(NOW),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def refused(asked: Question) -> str:
    with pytest.raises(UntrustedRelease) as caught:
        prove(asked)
    return caught.value.kind


def listed(asked: Question) -> Listed:
    found = prove(asked).listed
    assert found is not None
    return found


def not_listed(asked: Question) -> str:
    """The kind with which a chain that is genuine says no; what it tells beside that still counts."""
    proof = prove(asked)
    assert proof.listed is None
    assert proof.refused is not None
    assert set(proof.seen) == {"image.targets", f"image.rel-{asked.component}"}
    return proof.refused.kind


def test_a_chain_from_root_to_entry_is_a_proof(fleet: FleetSimulator) -> None:
    proof, found = prove(question(fleet)), listed(question(fleet))

    assert (found.note.version, found.note.counter, found.note.svn, proof.roots) == ("1.1", 101, 3, 0)
    assert found.manifest_size == len(fleet.manifests["app", "1.1"])
    assert set(proof.seen) == {"image.targets", "image.rel-app"}


def test_new_roots_are_walked_and_a_gap_ends_the_walk(fleet: FleetSimulator) -> None:
    for _ in range(3):
        fleet.sign_image_root()
    roots = [text(fleet.image[f"{n}.root.json"]) for n in (2, 3, 4)]

    assert prove(question(fleet, newer_roots=tuple(roots))).roots == 3
    assert prove(question(fleet, newer_roots=(roots[0], roots[2]))).roots == 1


def test_a_root_of_strangers_ends_everything(fleet: FleetSimulator) -> None:
    mine = fleet.image_root
    fleet.image_root = Keys.new(3, 2)
    fleet.sign_image_root()
    fleet.image_root = mine

    assert refused(question(fleet, newer_roots=(text(fleet.image["2.root.json"]),))) == "metadata_untrusted"


def test_new_keys_take_over_with_the_root_that_both_signed(fleet: FleetSimulator) -> None:
    fleet.targets = Keys.new()
    fleet.sign_image_root()
    fleet.sign_targets()
    asked = question(fleet, newer_roots=(text(fleet.image["2.root.json"]),))

    assert prove(asked).roots == 1
    assert refused(replace(asked, newer_roots=())) == "metadata_untrusted"


def test_the_directors_root_is_no_image_root(fleet: FleetSimulator) -> None:
    assert refused(question(fleet, root=text(fleet.director_roots["1.root.json"]))) == "wrong_repository"


def test_below_the_threshold_nothing_is_signed(fleet: FleetSimulator) -> None:
    raw = fleet.sign_role(signers=fleet.release.signers[:1])

    assert refused(question(fleet, role=text(raw))) == "metadata_untrusted"


def test_an_expired_role_proves_nothing_new(fleet: FleetSimulator) -> None:
    assert refused(question(fleet, now=stamp(NOW + timedelta(days=181)))) == "metadata_expired"


def test_the_role_of_one_component_does_not_speak_for_another() -> None:
    fleet = FleetSimulator(components=("app", "model"))
    fleet.release_version("1.1", 101, component="app")
    fleet.release_version("1.1", 101, component="model")
    asked = question(fleet, component="model", digest=digest_of(fleet.manifests["app", "1.1"]))

    assert not_listed(asked) == "not_released"
    assert refused(question(fleet, component="rootfs")) == "metadata_untrusted"


def test_a_withdrawn_and_a_revoked_release_are_not_released_and_the_policy_comes_along(fleet: FleetSimulator) -> None:
    policy = Policy("app", revoked=(digest_of(fleet.manifests["app", "1.1"]),))
    fleet.set_policy(policy)
    assert not_listed(question(fleet)) == "not_released"
    assert prove(question(fleet)).policy == policy

    fleet.withdraw("1.1")
    assert not_listed(question(fleet)) == "not_released"


def test_permits_to_the_digest_come_along(fleet: FleetSimulator) -> None:
    digest = digest_of(fleet.manifests["app", "1.1"])
    unpermitted = listed(question(fleet))
    permit = Permit("p-1", "app", "0" * 64, digest, (DEVICE,), "2030-01-01T00:00:00Z", "because")
    fleet.permit(permit)
    fleet.permit(replace(permit, id="p-2", to_sha256="1" * 64))

    assert listed(question(fleet)) == replace(unpermitted, permits=(permit,))


@pytest.mark.parametrize("field", ["root", "targets", "role"])
@pytest.mark.parametrize("raw", ["", "e30=", "bm8ganNvbg=="])
def test_rubbish_is_refused_by_its_kind(fleet: FleetSimulator, field: str, raw: str) -> None:
    assert refused(question(fleet, **{field: raw})) in ("bundle_malformed", "metadata_untrusted")
