"""The attacks on trust as functions: each tries for real, against real code, and says whether it succeeded.

`test_threats` asserts that none does; `test_mutations` takes the defence away and asserts that the same function then
does, so that no test here is one that cannot fail.
"""

from __future__ import annotations

import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

from tuf.api.metadata import TargetFile, Targets

from surefoot_agent.trust_child import decision_of
from surefoot_shared import wire
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import JointSet
from surefoot_shared.release import digest_of
from surefoot_shared.status import Intent
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.policy import Policy
from surefoot_shared.trust.repository import build_release_role, release_target
from surefoot_shared.trust.signing import sign
from surefoot_shared.trust.verify import Verified
from tests.shared.trust.simulator import (
    DAY,
    DEVICE,
    NEIGHBOUR,
    NOW,
    DeviceSimulator,
    FleetSimulator,
    Keys,
    manifest,
    signatures,
)


def _world(folder: Path, fleet: FleetSimulator | None = None) -> tuple[FleetSimulator, DeviceSimulator]:
    made = fleet or FleetSimulator()
    made.release_version("1.1", 101)
    return made, DeviceSimulator(folder / "trust", made)


def _tried(device: DeviceSimulator, raw: bytes) -> Verified | None:
    try:
        return device.decide(raw)
    except SurefootError:
        return None


def _takes(device: DeviceSimulator, raw: bytes) -> bool:
    """The device would install what the bundle wants."""
    verified = _tried(device, raw)
    return verified is not None and bool(verified.approved)


def freeze(folder: Path) -> bool:
    """U4: a broker repeats last week's metadata for ever."""
    fleet, device = _world(folder)
    old = fleet.bundle(fleet.wish())
    try:
        return bool(device.decide(old, NOW + 8 * DAY).approved)
    except SurefootError:
        return False


def replay(folder: Path) -> bool:
    """U7: yesterday's assignment again."""
    fleet, device = _world(folder)
    old = fleet.bundle(fleet.wish())
    device.decide(fleet.bundle())
    return _takes(device, old)


def below_floor(folder: Path) -> bool:
    """U7: a stolen director assigns a release with a known hole."""
    fleet, device = _world(folder)
    fixed = fleet.release_version("2.0", 200, svn=1)
    fleet.set_policy(Policy("app", min_svn=1))
    device.decide(fleet.bundle(fleet.wish("2.0")))
    device.commit(fixed)
    return any(_takes(device, fleet.bundle(fleet.wish("1.1", intent))) for intent in Intent)


def zip_bomb(folder: Path) -> bool:
    """U8: 50 kB that unpack to 50 MB; it succeeds where more memory is taken than a camera has to spare."""
    _, device = _world(folder)
    bomb = zlib.compress(b'{"v":1,"device":"' + b"a" * 50_000_000, 9)
    tracemalloc.start()
    _tried(device, bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak > 20_000_000


def mix_and_match(folder: Path) -> bool:
    """U9: the release role of one day under the snapshot of another."""
    fleet, device = _world(folder)
    old_role = fleet.image["2.rel-app.json"]
    fleet.withdraw("1.1")
    fleet.image[f"{fleet.version['rel-app']}.rel-app.json"] = old_role
    return _takes(device, fleet.bundle(fleet.wish("1.1")))


def one_release_key(folder: Path) -> bool:
    """U10: one of the two keys that a release takes, and the whole server."""
    fleet, device = _world(folder)
    fleet.release_version("6.6", 666, signers=fleet.release.signers[:1])
    return _takes(device, fleet.bundle(fleet.wish("6.6")))


def fast_forward(folder: Path) -> bool:
    """T1: a neighbour's validly signed files with a huge version lock a device out."""
    fleet, device = _world(folder)
    _tried(device, pack(Bundle(DEVICE, fleet.assign(device=NEIGHBOUR, version=10**15), fleet.image)))
    return not _takes(device, fleet.bundle(fleet.wish()))


def clock_pushed_ahead(folder: Path) -> bool:
    """T1: a stolen director tells a time just before its root's end; after the rotation everything looks expired."""
    fleet, device = _world(folder)
    fleet.now = NOW + 360 * DAY
    device.take(fleet.assign())
    fleet.now, fleet.director = NOW, Keys.new()
    fleet.sign_director_root()
    return not _takes(device, fleet.bundle(fleet.wish()))


def last_epoch(folder: Path) -> bool:
    """T1: a stolen halt key signs the highest epoch there is; after the rotation nothing can be halted any more."""
    fleet, device = _world(folder)
    device.halt(fleet.halt_list(digest_of(b"any"), epoch=2**62))
    fleet.halt = Keys.new()
    fleet.sign_director_root()
    device.decide(fleet.bundle())
    try:
        return device.halt(fleet.halt_list(digest_of(b"bad"), epoch=7)) != (7, (digest_of(b"bad"),))
    except SurefootError:
        return True


def other_components_release(folder: Path) -> bool:
    """T2: a stolen director assigns what was released as a model to be the application."""
    fleet, device = _world(folder, FleetSimulator(components=("app", "model")))
    fleet.release_version("9", 9, component="model")
    model, app = fleet.wish("9", component="model"), fleet.wish("9")
    path = "releases/model/9/manifest.json"
    entry = TargetFile(model.manifest_size, {"sha256": model.digest}, path, {"custom": wire.to_json(app.note)})
    return _takes(device, pack(Bundle(DEVICE, fleet.assign_freely(Targets(targets={path: entry})), fleet.image)))


def other_components_keys(folder: Path) -> bool:
    """T2: stolen release keys of the model, and the whole server, release an application."""
    fleet, device = _world(folder, FleetSimulator(components=("app", "model")))
    fleet.manifests["app", "6.6"] = manifest("6.6", 666)
    entry = release_target(fleet.manifests["app", "6.6"])
    theirs = build_release_role(fleet.version["rel-model"] + 1, NOW + 30 * DAY, [entry])
    fleet.version["rel-model"] = theirs.version
    fleet.image[f"{theirs.version}.rel-model.json"] = sign(theirs, fleet.release.signers).decode()
    fleet.publish()
    return _takes(device, fleet.bundle(fleet.wish("6.6")))


def mixed_set(folder: Path) -> bool:
    """U9: a set that was to be activated as one, with another release in the place of a member, or without it."""
    fleet, device = _world(folder, FleetSimulator(components=("app", "model")))
    fleet.release_version("7", 7, component="model")
    fleet.release_version("8", 8, component="model")
    digests = {name: digest_of(fleet.manifests[name]) for name in (("app", "1.1"), ("model", "7"))}
    joint = JointSet("s-1", tuple((component, digest) for (component, _), digest in digests.items()))
    app, other = fleet.wish("1.1"), fleet.wish("8", component="model")
    app, other = (replace(each, note=replace(each.note, joint=joint)) for each in (app, other))
    return any(decision_of(device.decide(fleet.bundle(*wishes))).wishes for wishes in ((app, other), (app,)))


def other_hash(folder: Path) -> bool:
    """T2: the director names a released path with other bytes."""
    fleet, device = _world(folder)
    return _takes(device, fleet.bundle(fleet.wish("1.1", digest=digest_of(b"evil"), size=4)))


def stolen_director_key(folder: Path) -> bool:
    """T4: a director's key goes on signing after the offline root dropped it."""
    fleet, device = _world(folder)
    stolen, fleet.director = fleet.director, Keys.new()
    fleet.sign_director_root()
    device.decide(fleet.bundle())
    return _takes(device, pack(Bundle(DEVICE, fleet.assign(fleet.wish(), signer=stolen.signers[0]), fleet.image)))


def cross_repository_root(folder: Path) -> bool:
    """O1: the director's root as the next image root, in a fleet that shares root keys."""
    shared = Keys.new()
    fleet, device = _world(folder, FleetSimulator(image_root=shared, director_root=shared))
    fleet.sign_director_root()
    fleet.image["2.root.json"] = fleet.director_roots["2.root.json"]
    _tried(device, fleet.bundle(fleet.wish()))
    return (device.folder / "image" / "root_history" / "2.root.json").exists()


def neighbours_empty_assignment(folder: Path) -> bool:
    """O2: a neighbour's "nothing is wanted" withdraws this device's update."""
    fleet, device = _world(folder)
    verified = _tried(device, pack(Bundle(DEVICE, fleet.assign(device=NEIGHBOUR), fleet.image)))
    return verified is not None and not verified.approved


def wrong_hardware(folder: Path) -> bool:
    """O3: a stolen director assigns a release that was signed for another board."""
    fleet, device = _world(folder)
    fleet.release_version("3.0", 300, hw=("jetson-orin",))
    return _takes(device, fleet.bundle(fleet.wish("3.0")))


def withdrawn_release(folder: Path) -> bool:
    """O4: a release that its keys took off the list is assigned again."""
    fleet, device = _world(folder)
    fleet.withdraw("1.1")
    return _takes(device, fleet.bundle(fleet.wish("1.1")))


def revoked_release(folder: Path) -> bool:
    """O4: a release that the signed policy revokes is assigned again."""
    fleet, device = _world(folder)
    fleet.set_policy(Policy("app", revoked=(digest_of(fleet.manifests["app", "1.1"]),)))
    return _takes(device, fleet.bundle(fleet.wish("1.1")))


def withdrawn_release_after_a_power_cut(folder: Path) -> bool:
    """O4: the cut tore the snapshot; stolen snapshot and timestamp keys bring back the role that lists the release."""
    fleet, device = _world(folder)
    listing = fleet.version["rel-app"]
    fleet.withdraw("1.1")
    device.decide(fleet.bundle(fleet.wish("1.1")))
    (device.folder / "image" / "snapshot.json").write_bytes(b"")
    fleet.version["rel-app"] = listing
    fleet.publish()
    return _takes(device, fleet.bundle(fleet.wish("1.1")))


def same_version_other_content(folder: Path) -> bool:
    """O5: two contents under one version number."""
    fleet, device = _world(folder)
    device.decide(fleet.bundle(version=5000))
    return _takes(device, fleet.bundle(fleet.wish(), version=5000))


def no_signature(folder: Path) -> bool:
    """O7: files whose list of signatures is empty."""
    fleet, device = _world(folder)
    signed = fleet.assign(fleet.wish())
    bare = {name: text if "root" in name else signatures(text, []) for name, text in signed.items()}
    return _takes(device, pack(Bundle(DEVICE, bare, fleet.image)))


def empty_file(folder: Path) -> bool:
    """O7: files of no bytes."""
    fleet, device = _world(folder)
    bare = {name: text if "root" in name else "" for name, text in fleet.assign(fleet.wish()).items()}
    return _takes(device, pack(Bundle(DEVICE, bare, fleet.image)))


def unlisted_release(folder: Path) -> bool:
    """O8: everything online vouches for a release that no offline key ever saw."""
    fleet, device = _world(folder)
    fleet.manifests["app", "6.6"] = manifest("6.6", 666)
    return _takes(device, fleet.bundle(fleet.wish("6.6")))
