"""What a device accepts, and everything it must not: the attack catalogue of the trust design."""

from __future__ import annotations

import json
import re
import zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from tuf.api.metadata import DelegatedRole, Delegations, TargetFile, Targets

from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, InstallFailed, UntrustedRelease
from surefoot_shared.release import digest_of
from surefoot_shared.status import Intent
from surefoot_shared.trust import verify
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.policy import Policy
from surefoot_shared.trust.signing import new_signer
from surefoot_shared.trust.updater import Refreshed
from tests.shared.trust.simulator import (
    DAY,
    DEVICE,
    HW,
    NEIGHBOUR,
    NOW,
    DeviceSimulator,
    FleetSimulator,
    Keys,
    edited,
    manifest,
    signatures,
)


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version("1.1", 101)
    return made


@pytest.fixture
def device(tmp_path: Path, fleet: FleetSimulator) -> DeviceSimulator:
    return DeviceSimulator(tmp_path / "trust", fleet)


def refused(device: DeviceSimulator, raw: bytes, now: datetime = NOW) -> str:
    """The kind with which the whole bundle is refused."""
    with pytest.raises(UntrustedRelease) as caught:
        device.decide(raw, now)
    return caught.value.kind


def refused_files(device: DeviceSimulator, fleet: FleetSimulator, director: dict[str, str]) -> str:
    return refused(device, pack(Bundle(DEVICE, director, fleet.image)))


# What is accepted


def test_an_assignment_that_both_repositories_agree_on_is_approved(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    wish = fleet.wish()

    verified = device.decide(fleet.bundle(wish))

    (approved,) = verified.approved
    assert verified.refused == ()
    assert (approved.note, approved.digest, approved.manifest_size) == (wish.note, wish.digest, wish.manifest_size)
    assert (approved.target.version, approved.target.counter, approved.target.hw) == ("1.1", 101, (HW,))
    assert verified.director_version == verified.director.targets == verified.director.timestamp
    assert verified.signed_at == "2026-06-01T12:00:00Z"
    assert verified.clock_source == "system"


def test_an_empty_assignment_says_that_nothing_is_wanted(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    verified = device.decide(fleet.bundle())

    assert (verified.approved, verified.refused) == ((), ())


def test_an_empty_assignment_needs_no_image_repository(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    verified = device.take(fleet.assign())

    assert verified.image.timestamp == 0


def test_a_second_bundle_needs_only_the_files_that_changed(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    held = device.decide(fleet.bundle(fleet.wish())).image
    assert (held.root, held.roles) == (1, {"rel-app": 2})
    fleet.publish()
    newer = {name: fleet.image[name] for name in ("timestamp.json", "3.snapshot.json")}

    verified = device.take(fleet.assign(fleet.wish()), newer)

    assert verified.approved
    assert verified.image.snapshot == 3


def test_the_same_bundle_twice_is_harmless(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    raw = fleet.bundle(fleet.wish())
    first = device.decide(raw)

    assert device.decide(raw) == first


def test_two_components_are_judged_apart(tmp_path: Path) -> None:
    fleet = FleetSimulator(components=("app", "model"))
    fleet.release_version("1.1", 101)
    fleet.release_version("7", 7, component="model", hw=("jetson-orin",))
    device = DeviceSimulator(tmp_path / "trust", fleet)

    verified = device.decide(fleet.bundle(fleet.wish("1.1"), fleet.wish("7", component="model")))

    assert [each.note.component for each in verified.approved] == ["app"]
    assert [(each.note.component, each.kind) for each in verified.refused] == [("model", "wrong_hardware")]


# Other devices' files


def test_a_neighbours_bundle_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    raw = fleet.bundle(fleet.wish(device=NEIGHBOUR), device=NEIGHBOUR)

    assert refused(device, raw) == "wrong_device"


def test_a_neighbours_files_in_a_bundle_with_my_name_are_refused(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    files = fleet.assign(fleet.wish(device=NEIGHBOUR), device=NEIGHBOUR)

    assert refused_files(device, fleet, files) == "wrong_device"


def test_a_neighbours_empty_assignment_cannot_withdraw_mine(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    files = fleet.assign(device=NEIGHBOUR)

    assert refused_files(device, fleet, files) == "wrong_device"


def test_a_device_is_not_fast_forwarded_by_a_neighbours_higher_version(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    ahead = fleet.assign(device=NEIGHBOUR, version=10**15)
    assert refused_files(device, fleet, ahead) == "wrong_device"

    assert device.decide(fleet.bundle(fleet.wish())).approved


def test_a_rewritten_device_name_breaks_the_signature(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    files = {
        name: text if name.endswith("root.json") else edited(text, **{"x-device": DEVICE})
        for name, text in fleet.assign(device=NEIGHBOUR).items()
    }

    assert refused_files(device, fleet, files) == "metadata_untrusted"


def test_an_assignment_that_names_another_device_inside_my_file_is_refused(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    assert refused_files(device, fleet, fleet.assign(fleet.wish(device=NEIGHBOUR))) == "wrong_device"


def test_a_snapshot_without_the_devices_name_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    other, mine = fleet.assign_freely(Targets(), device=NEIGHBOUR), fleet.assign_freely(Targets())
    (snapshot,) = (text for name, text in other.items() if "snapshot" in name)
    mixed = {name: snapshot if "snapshot" in name else text for name, text in mine.items()}

    assert refused_files(device, fleet, mixed) == "wrong_device"


# Replay, freeze, rollback


def test_an_old_assignment_cannot_be_replayed(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    old = fleet.bundle(fleet.wish())
    device.decide(fleet.bundle())

    assert refused(device, old) == "metadata_rollback"


def test_an_old_image_repository_cannot_be_replayed(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    old = dict(fleet.image)
    fleet.release_version("1.2", 102)
    device.decide(fleet.bundle(fleet.wish("1.2")))

    assert refused(device, pack(Bundle(DEVICE, fleet.assign(fleet.wish()), old))) == "metadata_rollback"


def test_an_expired_assignment_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    assert refused(device, fleet.bundle(fleet.wish()), NOW + 8 * DAY) == "metadata_expired"


def test_an_expired_image_timestamp_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.publish(timestamp_life=timedelta(hours=1))

    assert refused(device, fleet.bundle(fleet.wish()), NOW + timedelta(hours=2)) == "metadata_expired"


def test_an_expired_release_role_refuses_its_assignment_only(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.sign_role(lifetime=timedelta(hours=1))
    fleet.publish()

    verified = device.decide(fleet.bundle(fleet.wish()), NOW + timedelta(hours=2))

    assert [each.kind for each in verified.refused] == ["metadata_expired"]


def test_an_expired_root_is_refused_until_a_newer_one_is_signed(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    later = NOW + 400 * DAY
    fleet.now = later
    fleet.sign_targets()
    fleet.sign_role()
    fleet.publish()
    assert refused(device, fleet.bundle(fleet.wish()), later) == "metadata_expired"

    fleet.sign_director_root()
    fleet.sign_image_root()

    assert device.decide(fleet.bundle(fleet.wish()), later).approved


def test_a_clock_of_1970_does_not_make_expired_metadata_fresh(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.now = NOW + 30 * DAY
    fleet.publish()
    device.decide(fleet.bundle(), fleet.now)
    fleet.now = NOW
    stale = fleet.assign(fleet.wish())

    assert refused_at_1970(device, pack(Bundle(DEVICE, stale, fleet.image))) == "metadata_expired"


def test_a_clock_of_1970_accepts_fresh_metadata_and_says_that_the_floor_was_used(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    verified = device.decide(fleet.bundle(fleet.wish()), datetime(1970, 1, 1, tzinfo=timezone.utc))

    assert verified.approved
    assert verified.clock_source == "floor"
    assert device.floors.time == "2026-06-01T12:00:00Z"


def test_a_brand_new_device_with_a_clock_of_1970_knows_the_age_of_its_roots(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    fleet.now = NOW - 60 * DAY
    older_than_the_root = fleet.assign(fleet.wish())

    assert refused_at_1970(device, pack(Bundle(DEVICE, older_than_the_root, fleet.image))) == "metadata_expired"


def test_a_stolen_director_cannot_push_a_devices_clock_beyond_every_expiry(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    fleet.now = NOW + 1000 * DAY
    poison = fleet.assign(lifetime=3000 * DAY)
    fleet.now = NOW

    assert refused_files(device, fleet, poison) == "metadata_untrusted"
    assert device.floors.time == "1970-01-01T00:00:00Z"


def test_a_timestamp_that_does_not_say_when_it_was_signed_is_refused(
    device: DeviceSimulator, fleet: FleetSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surefoot_shared.trust.director.format_time", lambda at: "yesterday")

    assert refused(device, fleet.bundle(fleet.wish())) == "metadata_untrusted"


def refused_at_1970(device: DeviceSimulator, raw: bytes) -> str:
    return refused(device, raw, datetime(1970, 1, 1, tzinfo=timezone.utc))


# Signatures


@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("forged", [[], [{"keyid": "0" * 64, "sig": "00"}]], ids=["no signature", "unknown key"])
def test_unsigned_director_files_are_refused(
    device: DeviceSimulator, fleet: FleetSimulator, name: str, forged: list[dict[str, str]]
) -> None:
    files = {
        file: signatures(text, forged) if f"{name}.json" in file else text
        for file, text in fleet.assign(fleet.wish()).items()
    }

    assert refused_files(device, fleet, files) == "metadata_untrusted"


def test_an_assignment_signed_with_another_key_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    assert refused_files(device, fleet, fleet.assign(fleet.wish(), signer=new_signer())) == "metadata_untrusted"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_image_files_signed_with_another_key_are_refused(
    device: DeviceSimulator, fleet: FleetSimulator, role: str
) -> None:
    setattr(fleet, role, Keys.new())
    fleet.sign_targets()
    fleet.publish()

    assert refused(device, fleet.bundle(fleet.wish())) == "metadata_untrusted"


def test_one_release_key_of_two_required_releases_nothing(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.release_version("1.2", 102, signers=fleet.release.signers[:1])

    verified = device.decide(fleet.bundle(fleet.wish("1.2")))

    assert [each.kind for each in verified.refused] == ["metadata_untrusted"]


def test_one_release_key_that_signs_twice_does_not_count_twice(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    raw = fleet.sign_role(signers=fleet.release.signers[:1]).decode()
    name = f"{fleet.version['rel-app']}.rel-app.json"
    once = json.loads(raw)["signatures"]
    fleet.image[name] = signatures(raw, once * 2)
    fleet.publish()

    assert refused(device, fleet.bundle(fleet.wish())) == "bundle_malformed"


def test_the_director_cannot_sign_releases(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.release_version("6.6", 666, signers=[*fleet.director.signers, *fleet.snapshot.signers])

    verified = device.decide(fleet.bundle(fleet.wish("6.6")))

    assert [each.kind for each in verified.refused] == ["metadata_untrusted"]


def test_release_keys_without_the_director_install_nothing(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.release_version("6.6", 666)

    assert device.decide(fleet.bundle()).approved == ()


def test_one_components_keys_cannot_sign_for_another(tmp_path: Path) -> None:
    fleet = FleetSimulator(components=("app", "model"))
    raw = manifest("9", 9, component="model")
    fleet.manifests["model", "9"] = raw
    entry = TargetFile(len(raw), {"sha256": digest_of(raw)}, "releases/model/9/manifest.json")
    fleet.listed["releases/app/../model"] = entry  # listed by rel-app under a path that is not delegated to it
    fleet.sign_role("app")
    fleet.publish()
    device = DeviceSimulator(tmp_path / "trust", fleet)

    verified = device.decide(fleet.bundle(fleet.wish("9", component="model")))

    assert [each.kind for each in verified.refused] == ["not_released"]


# The director against the release keys


def test_a_digest_that_was_never_released_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    verified = device.decide(fleet.bundle(fleet.wish("6.6")))

    assert [each.kind for each in verified.refused] == ["not_released"]
    assert verified.approved == ()


@pytest.mark.parametrize("changed", [{"digest": "0" * 64}, {"size": 4}])
def test_the_director_cannot_change_the_hash_or_the_length_of_a_release(
    device: DeviceSimulator, fleet: FleetSimulator, changed: dict[str, object]
) -> None:
    verified = device.decide(fleet.bundle(fleet.wish("1.1", **changed)))

    assert [each.kind for each in verified.refused] == ["target_mismatch"]


def test_a_withdrawn_release_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.withdraw("1.1")

    verified = device.decide(fleet.bundle(fleet.wish("1.1")))

    assert [each.kind for each in verified.refused] == ["not_released"]


def test_a_release_that_the_policy_revokes_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.set_policy(Policy("app", revoked=(digest_of(fleet.manifests["app", "1.1"]),)))

    verified = device.decide(fleet.bundle(fleet.wish("1.1")))

    assert [each.kind for each in verified.refused] == ["not_released"]


def test_a_director_that_delegates_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    helper = new_signer().public_key
    role = DelegatedRole("helper", [helper.keyid], 1, True, paths=["*"])
    files = fleet.assign_freely(Targets(delegations=Delegations({helper.keyid: helper}, {"helper": role})))

    assert refused_files(device, fleet, files) == "metadata_untrusted"


def test_two_releases_for_one_component_are_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.release_version("1.2", 102)
    entries = {}
    for version in ("1.1", "1.2"):
        wish = fleet.wish(version)
        path = f"releases/app/{version}/manifest.json"
        custom = {"custom": wire.to_json(wish.note)}
        entries[path] = TargetFile(wish.manifest_size, {"sha256": wish.digest}, path, custom)

    assert refused_files(device, fleet, fleet.assign_freely(Targets(targets=entries))) == "duplicate_assignment"


def test_an_assignment_for_one_component_that_points_at_another_is_refused(tmp_path: Path) -> None:
    fleet = FleetSimulator(components=("app", "model"))
    fleet.release_version("9", 9, component="model")
    model, app = fleet.wish("9", component="model"), fleet.wish("9")
    path = "releases/model/9/manifest.json"
    entry = TargetFile(model.manifest_size, {"sha256": model.digest}, path, {"custom": wire.to_json(app.note)})
    device = DeviceSimulator(tmp_path / "trust", fleet)

    verified = device.take(fleet.assign_freely(Targets(targets={path: entry})), fleet.image)

    assert [each.kind for each in verified.refused] == ["target_mismatch"]


@pytest.mark.parametrize("custom", [None, {}, {"v": 2}, "text"])
def test_an_assignment_that_cannot_be_read_is_refused(
    device: DeviceSimulator, fleet: FleetSimulator, custom: object
) -> None:
    entry = TargetFile(1, {"sha256": "0" * 64}, "releases/app/1.1/manifest.json", {"custom": custom})

    assert refused_files(device, fleet, fleet.assign_freely(Targets(targets={entry.path: entry}))) == "bundle_malformed"


# Hardware, security versions, counters


def test_a_release_for_other_hardware_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.release_version("2.0", 200, hw=("jetson-orin", "x86-box"))

    verified = device.decide(fleet.bundle(fleet.wish("2.0")))

    (only,) = verified.refused
    assert only.kind == "wrong_hardware"
    assert re.search("jetson-orin, x86-box.*rpi5", only.message)


@pytest.mark.parametrize("hw", ["rpi", "rpi55", "RPI5", ""])
def test_hardware_names_match_whole_or_not_at_all(tmp_path: Path, fleet: FleetSimulator, hw: str) -> None:
    device = DeviceSimulator(tmp_path / "trust", fleet, hw=hw)

    assert [each.kind for each in device.decide(fleet.bundle(fleet.wish())).refused] == ["wrong_hardware"]


def test_a_lower_counter_needs_an_intent_that_says_so(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    device.commit(fleet.release_version("1.2", 102))

    verified = device.decide(fleet.bundle(fleet.wish("1.1")))

    assert [each.kind for each in verified.refused] == ["below_counter"]


@pytest.mark.parametrize("intent", [Intent.DOWNGRADE, Intent.REVERT])
def test_a_downgrade_or_revert_by_order_may_go_below_the_counter(
    device: DeviceSimulator, fleet: FleetSimulator, intent: Intent
) -> None:
    device.commit(fleet.release_version("1.2", 102))

    assert device.decide(fleet.bundle(fleet.wish("1.1", intent))).approved


@pytest.mark.parametrize("intent", list(Intent))
def test_nothing_goes_below_the_floor_of_security_versions(
    device: DeviceSimulator, fleet: FleetSimulator, intent: Intent
) -> None:
    raise_svn_floor(device, fleet)

    verified = device.decide(fleet.bundle(fleet.wish("1.1", intent)))

    assert [each.kind for each in verified.refused] == ["below_svn_floor"]


def raise_svn_floor(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fixed = fleet.release_version("1.2", 102, svn=1)
    fleet.set_policy(Policy("app", min_svn=1))
    device.decide(fleet.bundle(fleet.wish("1.2")))
    device.commit(fixed)
    assert device.floors.svn == {"app": 1}


def test_a_commit_alone_does_not_raise_the_security_floor(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fixed = fleet.release_version("1.2", 102, svn=1)
    device.decide(fleet.bundle(fleet.wish("1.2")))
    device.commit(fixed)

    assert device.decide(fleet.bundle(fleet.wish("1.1", Intent.REVERT))).approved


def test_a_policy_alone_does_not_raise_the_security_floor(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.set_policy(Policy("app", min_svn=5))

    assert device.decide(fleet.bundle(fleet.wish("1.1"))).approved
    assert device.floors.svn == {}


def test_a_minimum_that_is_named_after_the_rollout_raises_the_floor_of_an_idle_device(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    device.commit(fleet.release_version("1.2", 102, svn=1))
    fleet.set_policy(Policy("app", min_svn=1))

    device.decide(fleet.bundle())

    assert device.floors.svn == {"app": 1}


def test_a_broken_role_of_an_idle_component_does_not_stop_the_others(tmp_path: Path) -> None:
    fleet = FleetSimulator(components=("app", "model"))
    device = DeviceSimulator(tmp_path / "trust", fleet)
    device.commit(fleet.release_version("7", 7, component="model"))
    fleet.sign_role("model", signers=[new_signer()])
    fleet.release_version("1.1", 101)

    assert device.decide(fleet.bundle(fleet.wish("1.1"))).approved


# Files that are not what they should be


@pytest.mark.parametrize(
    "raw",
    [b"", b"junk", zlib.compress(b"junk"), zlib.compress(b"[]"), zlib.compress(b"{}"), zlib.compress(b"[" * 9000)],
    ids=["nothing", "junk", "compressed junk", "list", "no fields", "deep"],
)
def test_junk_is_refused(device: DeviceSimulator, raw: bytes) -> None:
    assert refused(device, raw) == "bundle_malformed"


@pytest.mark.parametrize("text", ["", "junk", "[" * 8000, '{"signed": ' + "9" * 5000 + "}", "{}", '{"signed": {}}'])
@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_junk_in_a_file_is_refused(device: DeviceSimulator, fleet: FleetSimulator, name: str, text: str) -> None:
    files = {**fleet.assign(fleet.wish()), name: text}

    assert refused_files(device, fleet, files) == "bundle_malformed"


def test_a_decompression_bomb_is_refused_without_being_unpacked(device: DeviceSimulator) -> None:
    bomb = zlib.compress(b'{"v":1,"device":"' + b"a" * 50_000_000, 9)

    assert refused(device, bomb) == "bundle_malformed"


def test_a_truncated_bundle_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    assert refused(device, fleet.bundle(fleet.wish())[:-10]) == "bundle_malformed"


def test_endless_metadata_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    files = fleet.assign(fleet.wish())
    files["timestamp.json"] += " " * 20_000

    assert refused_files(device, fleet, files) == "bundle_malformed"


def test_a_bundle_that_lacks_a_file_is_refused_and_the_whole_one_is_taken_afterwards(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    raw = fleet.bundle(fleet.wish())
    without = {name: text for name, text in fleet.image.items() if "rel-app" not in name}
    assert refused(device, pack(Bundle(DEVICE, fleet.assign(fleet.wish()), without))) == "bundle_malformed"

    assert refused(device, raw) == "metadata_rollback"
    assert device.decide(fleet.bundle(fleet.wish())).approved


def test_files_of_two_moments_cannot_be_mixed(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    old_role = fleet.image["2.rel-app.json"]
    fleet.release_version("1.2", 102)
    fleet.image["3.rel-app.json"] = old_role

    verified = device.decide(fleet.bundle(fleet.wish("1.2")))

    assert [each.kind for each in verified.refused] == ["metadata_rollback"]


def test_a_targets_file_of_another_assignment_cannot_be_mixed_in(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    one, other = fleet.assign(fleet.wish(), version=5000), fleet.assign(version=5001)
    mixed = {**one, "5000.targets.json": other["5001.targets.json"]}

    assert refused_files(device, fleet, mixed) == "metadata_rollback"


# Roots


def test_the_directors_root_cannot_become_the_image_root_even_with_shared_keys(tmp_path: Path) -> None:
    shared = Keys.new()
    fleet = FleetSimulator(image_root=shared, director_root=shared)
    fleet.release_version("1.1", 101)
    device = DeviceSimulator(tmp_path / "trust", fleet)
    fleet.sign_director_root()
    fleet.image["2.root.json"] = fleet.director_roots["2.root.json"]

    assert refused(device, fleet.bundle(fleet.wish())) == "wrong_repository"
    assert not (device.folder / "image" / "root_history" / "2.root.json").exists()


def test_an_image_file_made_for_a_device_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.image["timestamp.json"] = fleet.assign()["timestamp.json"]

    assert refused(device, fleet.bundle(fleet.wish())) == "wrong_device"


def test_a_device_that_was_given_the_wrong_bootstrap_root_says_so(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    (device.folder / "bootstrap" / "director.root.json").write_text(fleet.image["1.root.json"])

    with pytest.raises(UntrustedRelease):
        device.decide(fleet.bundle(fleet.wish()))


@pytest.mark.parametrize("content", ["", "junk", None])
def test_a_device_without_a_usable_bootstrap_root_must_be_enrolled(
    device: DeviceSimulator, fleet: FleetSimulator, content: str | None
) -> None:
    path = device.folder / "bootstrap" / "director.root.json"
    path.unlink()
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError):
        device.decide(fleet.bundle(fleet.wish()))


def test_a_rotated_director_key_is_followed_and_the_stolen_one_refused(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    device.decide(fleet.bundle(fleet.wish()))
    stolen, fleet.director = fleet.director, Keys.new()
    fleet.sign_director_root()
    device.decide(fleet.bundle(fleet.wish()))

    by_thief = fleet.assign(fleet.wish(), signer=stolen.signers[0])

    assert refused_files(device, fleet, by_thief) == "metadata_untrusted"


def test_a_root_that_the_previous_keys_did_not_sign_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    fleet.director_root = Keys.new()
    fleet.director = Keys.new()
    fleet.sign_director_root()

    assert refused(device, fleet.bundle(fleet.wish())) == "metadata_untrusted"


def test_a_long_chain_of_roots_is_followed_from_the_bootstrap_root(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    for _ in range(20):
        old, fleet.director_root = fleet.director_root, Keys.new()
        fleet.sign_director_root(also=old.signers)

    assert device.decide(fleet.bundle(fleet.wish())).director.root == 21


def test_new_director_keys_end_a_fast_forward(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    device.take(fleet.assign(version=10**15))
    assert refused(device, fleet.bundle(fleet.wish())) == "metadata_rollback"

    fleet.director = Keys.new()
    fleet.sign_director_root()

    assert device.decide(fleet.bundle(fleet.wish())).approved


# Power cuts


@pytest.mark.parametrize("content", [b"", b'{"signed": {"_type"', b"\0" * 512])
@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets", "rel-app"])
@pytest.mark.parametrize("repository", ["image", "director"])
def test_a_torn_metadata_file_is_fetched_again(
    device: DeviceSimulator, fleet: FleetSimulator, repository: str, name: str, content: bytes
) -> None:
    device.decide(fleet.bundle(fleet.wish()))
    (device.folder / repository / f"{name}.json").write_bytes(content)

    assert device.decide(fleet.bundle(fleet.wish())).approved


@pytest.mark.parametrize("repository", ["image", "director"])
def test_a_torn_file_does_not_forget_the_version_that_was_seen(
    device: DeviceSimulator, fleet: FleetSimulator, repository: str
) -> None:
    old_image, old = dict(fleet.image), fleet.assign(fleet.wish())
    fleet.publish()
    device.decide(fleet.bundle(fleet.wish()))
    for name in ("timestamp.json", "snapshot.json"):
        (device.folder / repository / name).write_bytes(b"")

    director = old if repository == "director" else fleet.assign(fleet.wish())
    image = old_image if repository == "image" else fleet.image

    assert refused(device, pack(Bundle(DEVICE, director, image))) == "metadata_rollback"


def test_a_torn_root_does_not_bring_a_revoked_key_back(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    stolen, fleet.director = fleet.director, Keys.new()
    first = fleet.director_roots["1.root.json"]
    fleet.sign_director_root()
    device.decide(fleet.bundle(fleet.wish()))
    (device.folder / "director" / "root_history" / "2.root.json").write_bytes(b"")

    by_thief = {**fleet.assign(fleet.wish(), signer=stolen.signers[0])}
    del by_thief["2.root.json"]
    by_thief["1.root.json"] = first

    assert refused_files(device, fleet, by_thief) == "metadata_rollback"
    assert device.decide(fleet.bundle(fleet.wish())).approved


def test_a_device_whose_floors_are_both_unreadable_decides_nothing(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    device.decide(fleet.bundle(fleet.wish()))
    for path in device.folder.glob("floors*"):
        path.write_bytes(b"")

    with pytest.raises(InstallFailed) as caught:
        device.decide(fleet.bundle(fleet.wish()))
    assert caught.value.kind == "journal_unreadable"


def test_the_half_that_was_verified_before_a_failure_stays_known_and_is_durable(
    device: DeviceSimulator, fleet: FleetSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(verify, "sync_trees", lambda *folders: synced.extend(folders))
    fleet.image["timestamp.json"] = "junk"
    director = fleet.assign(fleet.wish(), version=7000)
    refused(device, pack(Bundle(DEVICE, director, fleet.image)))

    assert device.floors.seen["director.timestamp"].version == 7000
    assert synced == [device.folder / "director", device.folder / "image"]
    assert (device.folder / "director" / "timestamp.json").exists()


# The halt list


def test_a_halt_list_is_obeyed_and_remembered(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    digest = digest_of(b"bad")
    assert device.halt(fleet.halt_list(digest, epoch=3)) == (3, (digest,))

    verified = device.decide(fleet.bundle(fleet.wish()))

    assert (verified.halt_epoch, verified.halted) == (3, (digest,))


def test_a_halt_list_that_has_expired_on_the_device_is_still_obeyed(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    device.halt(fleet.halt_list("0" * 64))
    fleet.now = NOW + 60 * DAY
    fleet.publish()

    assert device.decide(fleet.bundle(), fleet.now).halted == ("0" * 64,)


def test_a_newer_epoch_without_the_digest_lifts_the_halt(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    device.halt(fleet.halt_list("0" * 64, epoch=3))

    assert device.halt(fleet.halt_list(epoch=4)) == (4, ())
    assert device.decide(fleet.bundle()).halted == ()


def test_the_same_epoch_twice_is_harmless(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    raw = fleet.halt_list("0" * 64, epoch=3)

    assert device.halt(raw) == device.halt(raw)


def refused_halt(device: DeviceSimulator, raw: bytes, now: datetime = NOW) -> str:
    before = device.floors
    with pytest.raises(UntrustedRelease) as caught:
        device.halt(raw, now)
    assert device.floors == before
    return caught.value.kind


def test_an_older_epoch_does_not_lift_a_halt(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    device.halt(fleet.halt_list("0" * 64, epoch=3))

    assert refused_halt(device, fleet.halt_list(epoch=2)) == "metadata_rollback"


def test_an_expired_halt_list_is_refused_also_with_a_clock_of_1970(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    old = fleet.halt_list(epoch=9)
    fleet.now = NOW + 60 * DAY
    fleet.publish()
    device.decide(fleet.bundle(), fleet.now)

    assert refused_halt(device, old, fleet.now) == "metadata_expired"
    assert refused_halt(device, old, datetime(1970, 1, 1, tzinfo=timezone.utc)) == "metadata_expired"


@pytest.mark.parametrize("thief", ["director", "release", "snapshot"])
def test_a_halt_list_signed_by_any_other_role_is_refused(
    device: DeviceSimulator, fleet: FleetSimulator, thief: str
) -> None:
    keys: Keys = getattr(fleet, thief)

    assert refused_halt(device, fleet.halt_list(signers=keys.signers)) == "metadata_untrusted"


def test_a_rotated_halt_key_is_followed(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    stolen, fleet.halt = fleet.halt, Keys.new()
    fleet.sign_director_root()
    device.decide(fleet.bundle())

    assert device.halt(fleet.halt_list("0" * 64)) == (1, ("0" * 64,))
    assert refused_halt(device, fleet.halt_list(epoch=2, signers=stolen.signers)) == "metadata_untrusted"


def test_a_torn_root_does_not_bring_a_revoked_halt_key_back(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    stolen, fleet.halt = fleet.halt, Keys.new()
    fleet.sign_director_root()
    device.decide(fleet.bundle())
    (device.folder / "director" / "root_history" / "2.root.json").write_bytes(b"")

    assert refused_halt(device, fleet.halt_list(signers=stolen.signers)) == "metadata_rollback"


def test_a_halt_list_is_no_assignment(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    files = fleet.assign(version=9000)
    files["9000.targets.json"] = fleet.halt_list(epoch=9000, signers=fleet.director.signers).decode()

    assert refused_files(device, fleet, files) == "wrong_device"


def test_an_assignment_is_no_halt_list(tmp_path: Path) -> None:
    shared = Keys.new()
    fleet = FleetSimulator(director=shared, halt=shared)
    device = DeviceSimulator(tmp_path / "trust", fleet)
    files = fleet.assign(version=9000)

    assert refused_halt(device, files["9000.targets.json"].encode()) == "wrong_repository"


# The compromised server


def test_a_server_with_every_online_key_installs_nothing_unlisted_wrong_or_below_the_floor(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    """It holds director, halt, snapshot and timestamp keys and every file; the offline keys it has not."""
    fleet.release_version("3.0", 300, svn=1, hw=("jetson-orin",))
    raise_svn_floor(device, fleet)
    listed_by_thief = manifest("6.6", 666, svn=9)
    attempts = {
        "unlisted": fleet.wish("6.6"),
        "wrong hardware": fleet.wish("3.0"),
        "below the floor": fleet.wish("1.1", Intent.DOWNGRADE),
        "other bytes": fleet.wish("1.2", digest=digest_of(listed_by_thief), size=len(listed_by_thief)),
    }

    outcome = {}
    for name, wish in attempts.items():
        verified = device.decide(fleet.bundle(wish))
        outcome[name] = ([each.kind for each in verified.refused], verified.approved)

    assert outcome == {
        "unlisted": (["not_released"], ()),
        "wrong hardware": (["wrong_hardware"], ()),
        "below the floor": (["below_svn_floor"], ()),
        "other bytes": (["target_mismatch"], ()),
    }


def test_a_server_with_every_online_key_cannot_list_a_release_or_change_a_root(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    online = [*fleet.director.signers, *fleet.snapshot.signers, *fleet.timestamp.signers, *fleet.halt.signers]
    fleet.release_version("6.6", 666, signers=online)
    forged_role = device.decide(fleet.bundle(fleet.wish("6.6")))
    fleet.targets = Keys(online)
    fleet.sign_targets()
    fleet.publish()
    forged_targets = refused(device, fleet.bundle(fleet.wish("6.6")))
    fleet.image_root = Keys(online)
    fleet.sign_image_root()

    assert [each.kind for each in forged_role.refused] == ["metadata_untrusted"]
    assert forged_targets == "metadata_untrusted"
    assert refused(device, fleet.bundle(fleet.wish("6.6"))) == "metadata_untrusted"


def test_a_server_with_every_online_key_can_still_withhold_and_choose_among_listed_releases(
    device: DeviceSimulator, fleet: FleetSimulator
) -> None:
    """What remains in a thief's hands, written down so that nobody believes otherwise."""
    device.commit(fleet.release_version("1.2", 102))

    assert device.decide(fleet.bundle(fleet.wish("1.1", Intent.DOWNGRADE))).approved


def test_every_refusal_has_a_kind_that_the_registry_explains() -> None:
    from surefoot_shared.errors import KINDS

    source = "".join(Path(str(module.__file__)).read_text() for module in _trust_modules())

    kinds = set(re.findall(r'UntrustedRelease\(\s*"([a-z_]+)"', source))
    assert kinds
    assert kinds <= set(KINDS)


def _trust_modules() -> list[object]:
    from surefoot_shared.trust import bundle, halt, updater, verify

    assert Refreshed.__module__ == updater.__name__
    return [bundle, halt, updater, verify]
