"""Policies, permits and withdrawals: one entry changes, the threshold counts, and a device obeys."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys.cosign import cosign
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.layout import KeyFolder, versions_of
from surefoot_server.keys.listing import (
    digest_listed,
    permit_from,
    policy_of,
    propose_permit,
    propose_policy,
    propose_withdrawal,
)
from surefoot_server.keys.rotation import read_current
from surefoot_server.keys.signers import KeyRing
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.trust.policy import Policy
from tests.server.keys.fleet import DEVICE, NOW, PASSPHRASE, Fleet
from tests.server.keys.people import gathered

UNTIL = "2030-01-01T00:00:00Z"


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def ring(fleet: Fleet) -> KeyRing:
    return KeyRing(fleet.keys, PASSPHRASE)


def serve(fleet: Fleet) -> None:
    install_keys(fleet.keys, fleet.data)
    fleet.online.refresh(NOW)


def test_a_policy_reaches_the_device_and_its_releases_stay(fleet: Fleet) -> None:
    bad, good = fleet.publish(fleet.built("1.1", 101)), fleet.publish(fleet.built("1.2", 102))
    assert policy_of(fleet.keys, "app") == Policy("app")

    done = propose_policy(fleet.keys, Policy("app", revoked=(bad.digest,), max_offline_days=30), ring(fleet), NOW)

    assert done.in_force
    assert policy_of(fleet.keys, "app").max_offline_days == 30
    serve(fleet)
    assert [each.kind for each in fleet.decide(fleet.bundle(bad)).refused] == ["not_released"]
    assert fleet.decide(fleet.bundle(good)).approved


def test_the_least_security_version_never_falls_and_nothing_is_signed_twice(fleet: Fleet) -> None:
    propose_policy(fleet.keys, Policy("app", min_svn=2), ring(fleet), NOW)

    for policy in (Policy("app", min_svn=1), Policy("app", min_svn=2)):
        with pytest.raises(Conflict):
            propose_policy(fleet.keys, policy, ring(fleet), NOW)
    assert versions_of(KeyFolder(fleet.keys).image, "rel-app") == [1, 2]


def test_a_withdrawn_release_is_listed_no_more_and_what_was_never_signed_cannot_be(fleet: Fleet) -> None:
    gone, kept = fleet.publish(fleet.built("1.1", 101)), fleet.publish(fleet.built("1.2", 102))

    assert propose_withdrawal(fleet.keys, "app", "1.1", ring(fleet), NOW).in_force

    assert list(read_current(KeyFolder(fleet.keys)).roles["app"].targets) == ["releases/app/1.2/manifest.json"]
    with pytest.raises(NotFound):
        propose_withdrawal(fleet.keys, "app", "1.1", ring(fleet), NOW)
    with pytest.raises(NotFound):
        policy_of(fleet.keys, "nothing")
    serve(fleet)
    assert [each.kind for each in fleet.decide(fleet.bundle(gone)).refused] == ["not_released"]
    assert fleet.decide(fleet.bundle(kept)).approved


def test_a_permit_is_signed_once_under_its_id(fleet: Fleet) -> None:
    old, new = fleet.publish(fleet.built("1.1", 101)), fleet.publish(fleet.built("1.2", 102))
    assert (digest_listed(fleet.keys, "app", "1.1"), digest_listed(fleet.keys, "app", "a" * 64)) == (
        old.digest,
        "a" * 64,
    )
    permit = permit_from("app", "lens-42", new.digest, old.digest, (DEVICE,), UNTIL, "2.0 blinds this lens")

    assert propose_permit(fleet.keys, permit, ring(fleet), NOW).in_force

    with pytest.raises(Conflict):
        propose_permit(fleet.keys, permit, ring(fleet), NOW)
    assert "permits/app/lens-42.json" in read_current(KeyFolder(fleet.keys)).roles["app"].targets


def test_a_permit_without_a_reason_or_an_end_is_none() -> None:
    for until, reason in ((UNTIL, ""), ("tomorrow", "why")):
        with pytest.raises(Invalid):
            permit_from("app", "p", "a" * 64, "b" * 64, (DEVICE,), until, reason)


def test_below_the_threshold_it_waits_for_the_next_person(tmp_path: Path) -> None:
    people = gathered(tmp_path)

    done = propose_policy(people.main, Policy("app", min_svn=1), people.ring("linh"), NOW)

    assert (done.in_force, done.missing) == (False, 1)
    assert policy_of(people.main, "app").min_svn == 0
    assert cosign(done.path, people.main, people.ring("ana")).in_force
    assert policy_of(people.main, "app").min_svn == 1
