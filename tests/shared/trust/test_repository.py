"""What the builders put into metadata, as another TUF implementation would read it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tuf.api.metadata import DelegatedRole, Metadata, Root, Targets

from surefoot_shared import wire
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.release import TargetNote, digest_of, note_of, parse_manifest
from surefoot_shared.trust.policy import Policy
from surefoot_shared.trust.repository import (
    build_release_role,
    build_root,
    build_snapshot,
    build_targets,
    build_timestamp,
    policy_target,
    release_target,
)
from surefoot_shared.trust.signing import RoleKeys, sign
from tests.shared.trust.simulator import NOW, Keys, manifest

LATER = NOW + timedelta(days=1)


def root(keys: Keys, halt: RoleKeys | None = None) -> Root:
    return build_root(
        "image", "north", 1, NOW, LATER, dict.fromkeys(("root", "targets", "snapshot", "timestamp"), keys.public), halt
    )


def test_a_root_needs_its_threshold_of_distinct_keys() -> None:
    keys = Keys.new(3, 2)
    built = root(keys)

    one = Metadata[Root].from_bytes(sign(built, keys.signers[:1]))
    two = Metadata[Root].from_bytes(sign(built, keys.signers[1:]))

    assert not built.get_root_verification_result(None, one.signed_bytes, one.signatures)
    assert built.get_root_verification_result(None, two.signed_bytes, two.signatures)


def test_a_root_without_a_halt_role_names_none() -> None:
    assert set(root(Keys.new()).unrecognized_fields) == {"x-repo", "x-fleet", "x-signed-at"}


def test_a_root_with_a_halt_role_names_its_keys_and_threshold() -> None:
    halt = Keys.new(2, 2).public

    field = root(Keys.new(), halt).unrecognized_fields["x-halt"]

    assert field["threshold"] == 2
    assert set(field["keys"]) == set(field["keyids"]) == {key.keyid for key in halt.keys}


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("releases/app/1.1/manifest.json", "rel-app"),
        ("releases/app/1.1-rc.2+b_3/manifest.json", "rel-app"),
        ("policy/app.json", "rel-app"),
        ("releases/model/7/manifest.json", "rel-model"),
        ("releases/app2/1/manifest.json", None),
        ("releases/app/1/other.json", None),
        ("releases/app/manifest.json", None),
        ("releases/app/1/2/manifest.json", None),
        ("policy/other.json", None),
    ],
)
def test_each_component_is_delegated_to_its_own_role_and_nothing_else_is(path: str, role: str | None) -> None:
    top = build_targets(1, LATER, {"app": Keys.new().public, "model": Keys.new().public})

    assert top.targets == {}
    assert top.delegations is not None
    assert [name for name, _ in top.delegations.get_roles_for_target(path)] == ([role] if role else [])


def test_delegations_are_terminating_and_carry_the_threshold() -> None:
    top = build_targets(1, LATER, {"app": Keys.new(3, 2).public})

    assert top.delegations is not None
    assert top.delegations.roles is not None
    role = top.delegations.roles["rel-app"]
    assert isinstance(role, DelegatedRole)
    assert (role.terminating, role.threshold, len(role.keyids)) == (True, 2, 3)


def test_a_release_is_listed_by_its_manifest_and_what_a_device_must_know_first() -> None:
    raw = manifest("1.1", 101, svn=2)

    target = release_target(raw)

    assert (target.path, target.length, target.hashes) == (
        "releases/app/1.1/manifest.json",
        len(raw),
        {"sha256": digest_of(raw)},
    )
    assert wire.from_json(TargetNote, target.custom) == note_of(parse_manifest(raw))


def test_a_release_that_is_no_manifest_is_refused() -> None:
    with pytest.raises(UntrustedRelease):
        release_target(b"{}")


def test_an_entry_of_a_release_is_small() -> None:
    """A role of a thousand releases must stay below the limit that devices set."""
    targets = [release_target(manifest(f"1.{number}", number + 1)) for number in range(1000)]

    assert len(sign(build_release_role(1, LATER, targets), Keys.new().signers)) < 400_000


def test_a_policy_is_a_target_whose_bytes_are_its_custom() -> None:
    policy = Policy("app", 3)

    target = policy_target(policy)

    target.verify_length_and_hashes(wire.encode(policy))
    assert wire.from_json(Policy, target.custom) == policy


def test_snapshot_and_timestamp_point_at_versions() -> None:
    snapshot, timestamp = build_snapshot(5, LATER, {"targets": 2, "rel-app": 9}), build_timestamp(6, LATER, 5)

    assert {name: file.version for name, file in snapshot.meta.items()} == {"targets.json": 2, "rel-app.json": 9}
    assert timestamp.snapshot_meta.version == 5


def test_metadata_is_written_compactly_and_signed_bytes_do_not_depend_on_field_order() -> None:
    raw = sign(build_release_role(1, LATER, ()), Keys.new().signers)

    assert b"\n" not in raw
    assert Metadata[Targets].from_bytes(raw).signed.version == 1
