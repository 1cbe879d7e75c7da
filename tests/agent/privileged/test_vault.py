from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_agent.privileged.chain_child import answer
from surefoot_agent.privileged.vault import Chain, Owner, Vault, in_a_child
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Unreachable, UntrustedRelease
from surefoot_shared.release import digest_of, note_of, parse_manifest
from surefoot_shared.trust.permit import Permit
from surefoot_shared.trust.policy import Policy
from tests.shared.trust.simulator import DEVICE, HW, NOW, FleetSimulator

NOBODY = "nobody" if os.geteuid() == 0 else ""


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version("1.0", 100)
    made.release_version("1.1", 101, 2)
    return made


def vault_of(folder: Path, fleet: FleetSimulator, answering: object = None) -> Vault:
    vault = Vault(folder, answering or (lambda question: wire.encode(answer(question))))  # type: ignore[arg-type]
    vault.set_up(Owner(DEVICE, HW), fleet.image["1.root.json"].encode())
    return vault


def chain(fleet: FleetSimulator) -> Chain:
    return Chain(
        tuple(text.encode() for name, text in fleet.image.items() if name.endswith(".root.json")),
        fleet.image[f"{fleet.version['targets']}.targets.json"].encode(),
        fleet.image[f"{fleet.version['rel-app']}.rel-app.json"].encode(),
    )


def prove(vault: Vault, fleet: FleetSimulator, version: str = "1.1", assignment: str = "a-1") -> str:
    return vault.prove("app", chain(fleet), fleet.manifests["app", version], assignment, NOW).version


def below_the_floor(vault: Vault, fleet: FleetSimulator) -> None:
    """1.1 is committed and its security version is the least."""
    raw = fleet.manifests["app", "1.1"]
    vault.committed(note_of(parse_manifest(raw)), digest_of(raw))
    fleet.set_policy(Policy("app", min_svn=2))


def refused(vault: Vault, fleet: FleetSimulator, version: str, assignment: str = "a-1") -> str:
    with pytest.raises(UntrustedRelease) as caught:
        prove(vault, fleet, version, assignment)
    return caught.value.kind


def test_it_is_set_up_once_and_never_changed(tmp_path: Path, fleet: FleetSimulator) -> None:
    vault = vault_of(tmp_path, fleet)

    with pytest.raises(ConfigError, match="set up already"):
        vault.set_up(Owner("cam-666", "any"), b"{}")

    assert vault.owner() == Owner(DEVICE, HW)
    with pytest.raises(ConfigError, match="never set up"):
        Vault(tmp_path / "elsewhere", lambda question: b"").owner()


def test_an_old_role_cannot_come_back(tmp_path: Path, fleet: FleetSimulator) -> None:
    vault, old = vault_of(tmp_path, fleet), chain(fleet)
    fleet.withdraw("1.0")
    assert prove(vault, fleet) == "1.1"

    with pytest.raises(UntrustedRelease) as caught:
        vault.prove("app", old, fleet.manifests["app", "1.0"], "a-1", NOW)

    assert caught.value.kind == "metadata_rollback"


def test_a_permit_opens_the_way_below_the_floor_for_one_assignment(tmp_path: Path, fleet: FleetSimulator) -> None:
    vault = vault_of(tmp_path, fleet)
    below_the_floor(vault, fleet)
    assert refused(vault, fleet, "1.0") == "below_svn_floor"
    old, new = (digest_of(fleet.manifests["app", version]) for version in ("1.0", "1.1"))
    fleet.permit(Permit("p-1", "app", new, old, (DEVICE,), "2030-01-01T00:00:00Z", "a bad lens"))

    assert prove(vault, fleet, "1.0") == "1.0"
    vault.may_run(note_of(parse_manifest(fleet.manifests["app", "1.0"])), old)
    assert refused(vault, fleet, "1.0", "a-2") == "below_svn_floor"


def test_a_permit_of_another_device_opens_nothing(tmp_path: Path, fleet: FleetSimulator) -> None:
    vault = vault_of(tmp_path, fleet)
    below_the_floor(vault, fleet)
    old, new = (digest_of(fleet.manifests["app", version]) for version in ("1.0", "1.1"))
    fleet.permit(Permit("p-1", "app", new, old, ("cam-18",), "2030-01-01T00:00:00Z", "a bad lens"))

    assert refused(vault, fleet, "1.0") == "below_svn_floor"


@pytest.mark.parametrize("said", [b"", b"{}", b'{"proof": {"roots": 0}}', b'{"error": null, "proof": null}'])
def test_a_child_that_says_nothing_proves_nothing(tmp_path: Path, fleet: FleetSimulator, said: bytes) -> None:
    vault = vault_of(tmp_path, fleet, lambda question: said)

    assert refused(vault, fleet, "1.1") == "bundle_malformed"


@pytest.mark.slow
def test_the_child_is_somebody_who_owns_nothing(tmp_path: Path, fleet: FleetSimulator) -> None:
    vault = vault_of(tmp_path, fleet, in_a_child(NOBODY))

    assert prove(vault, fleet) == "1.1"


def test_a_user_that_does_not_exist_verifies_nothing() -> None:
    with pytest.raises(Unreachable, match="nobody-of-this-name"):
        in_a_child("nobody-of-this-name")(b"{}")
