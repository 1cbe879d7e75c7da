"""Take a defence away, and the attack that it stops succeeds: the tests beside this file are able to fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tuf.api.metadata import DelegatedRole, Root, Signed, Targets

from surefoot_agent import acceptance, joint
from surefoot_server import inbound
from surefoot_server.devices import https
from surefoot_shared import wire
from surefoot_shared.release import TargetNote
from surefoot_shared.trust import bundle, client, fetcher, updater, verify
from surefoot_shared.trust.clock import parse_time
from surefoot_shared.trust.floors import Floors
from surefoot_shared.trust.policy import Policy
from tests.agent.fakes import Device
from tests.server.rig import Rig
from tests.threats import attacks, test_threats
from tests.threats.test_threats import rig

__all__ = ["rig"]
Remove = Callable[[pytest.MonkeyPatch], None]


def nothing(*_: object, **__: object) -> None:
    return None


def expiry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Signed, "is_expired", lambda *_: False)


def match_rules(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify, "check_target", nothing)


def bundle_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bundle, "LIMIT_BYTES", 10**9)


def signatures(patch: pytest.MonkeyPatch) -> None:
    for delegator in (Root, Targets):
        patch.setattr(delegator, "verify_delegate", nothing)


def guard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fetcher.GuardedFetcher, "_refuse_foreign", nothing)


def owner(patch: pytest.MonkeyPatch) -> None:
    guard(patch)
    patch.setattr(verify._Decision, "_refuse_foreign", nothing)


def versions(patch: pytest.MonkeyPatch) -> None:
    """python-tuf's memory and ours: the first forgets here because its files are wiped before each refresh."""
    patch.setattr(updater.Refreshed, "_refuse_older", lambda self, floors: {})
    inner = client.Client.__init__

    def forgetful(self: client.Client, name: str, folder: Path, *rest: object) -> None:
        for file in ("timestamp.json", "snapshot.json", "targets.json"):
            (folder / file).unlink(missing_ok=True)
        inner(self, name, folder, *rest)  # type: ignore[arg-type]

    patch.setattr(client.Client, "__init__", forgetful)


def policy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify._Decision, "_follow_policy", lambda self, image, component: Policy(component))


def component(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify, "_target_note", lambda listed, note: wire.from_json(TargetNote, listed.custom))


def delegated_paths(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DelegatedRole, "is_delegated_path", lambda role, _: role.name == "rel-model")


def whole_sets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(joint, "_is_whole", lambda _: True)


def new_keys_new_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Floors, "time_by", lambda self, keys: parse_time(self.time))


def new_keys_new_epochs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify, "halt_keys", lambda root: "the same")


def remembered_roles(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(updater.Refreshed, "seen_role", lambda self, name, floors: {})


@pytest.mark.parametrize(
    ("attack", "defence"),
    [
        (attacks.freeze, expiry),
        (attacks.replay, versions),
        (attacks.below_floor, match_rules),
        (attacks.zip_bomb, bundle_limit),
        (attacks.mixed_set, whole_sets),
        (attacks.one_release_key, signatures),
        (attacks.other_components_release, component),
        (attacks.other_components_keys, delegated_paths),
        (attacks.fast_forward, guard),
        (attacks.clock_pushed_ahead, new_keys_new_time),
        (attacks.last_epoch, new_keys_new_epochs),
        (attacks.stolen_director_key, signatures),
        (attacks.cross_repository_root, guard),
        (attacks.neighbours_empty_assignment, owner),
        (attacks.wrong_hardware, match_rules),
        (attacks.revoked_release, policy),
        (attacks.withdrawn_release_after_a_power_cut, remembered_roles),
        (attacks.same_version_other_content, versions),
        (attacks.no_signature, signatures),
    ],
    ids=lambda each: each.__name__,
)
def test_without_its_defence_the_attack_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: test_threats.Attack, defence: Remove
) -> None:
    assert not attack(tmp_path / "defended")

    defence(monkeypatch)

    assert attack(tmp_path / "mutated")


def test_without_the_check_of_its_signature_a_forged_request_succeeds(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(https, "_forged", lambda *_: "")

    assert test_threats.forged_request(rig)


def test_without_the_check_of_its_signature_a_forged_commit_counts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "open_sealed", lambda kind, sealed, key: sealed.payload.encode())

    assert test_threats.forged_commit(rig)


def test_without_the_check_of_its_hash_another_manifest_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(tmp_path)
    monkeypatch.setattr(acceptance, "digest_of", lambda raw: device.digest("1.1"))

    assert test_threats.changed_manifest(device)
