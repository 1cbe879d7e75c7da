"""`surefoot keys drill`: rehearse rotation, loss, theft and expiry in a scratch fleet, and say what a device would see.

Each scene starts from the same fleet: two of three people sign, a device runs app/1.0. A scene holds where the device
and the server did exactly what the expectation says; the first line of each function is the table's own text.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from securesystemslib.signer import Signer

from surefoot_server.keys.expiry import alarms
from surefoot_server.keys.layout import OFFLINE, ONLINE, versions_of
from surefoot_server.keys.rotate import KeyChange, renew, revoke, rotate
from surefoot_server.keys.scratch import DEVICE, Made, Scratch
from surefoot_shared.errors import SurefootError
from surefoot_shared.release import role_name
from surefoot_shared.trust.bundle import Bundle, pack, unpack
from surefoot_shared.trust.director import sign_assignments
from surefoot_shared.trust.halt import sign_halt
from surefoot_shared.trust.repository import build_release_role, build_snapshot, build_timestamp, release_target
from surefoot_shared.trust.signing import sign


@dataclass(frozen=True, slots=True)
class Scene:
    """One line of the table; `held` is False where what was seen is not what was expected."""

    name: str
    happens: str
    seen: str
    expected: str

    @property
    def held(self) -> bool:
        return self.seen == self.expected


Play = Callable[[Scratch], tuple[str, str]]
"""Returns (what was seen, what was expected)."""


def run_drill(folder: Path, now: datetime, progress: Callable[[Scene], None] = lambda scene: None) -> tuple[Scene, ...]:
    """Play every scene below `folder`, an empty one. `progress` hears of each as it ends."""
    template = Scratch(folder / "template", now)
    template.commits(template.bundle(template.released("1.0")))
    scenes = []
    for number, (name, (happens, play)) in enumerate(SCENES.items()):
        shutil.copytree(template.folder, folder / str(number))
        seen, expected = play(Scratch(folder / str(number), now))
        scenes.append(Scene(name, happens, seen, expected))
        shutil.rmtree(folder / str(number))
        progress(scenes[-1])
    return tuple(scenes)


def _rotation(fleet: Scratch) -> tuple[str, str]:
    done = rotate(fleet.keys, (*OFFLINE, *ONLINE), fleet.ring(), fleet.now)
    fleet.start()
    seen = fleet.sees(fleet.bundle(fleet.released("1.1")))
    return f"{_force(done.in_force)}; {seen}", "in force; installs app/1.1"


def _one_root_key_lost(fleet: Scratch) -> tuple[str, str]:
    shutil.rmtree(fleet.stick("third"))
    change = KeyChange(replace=("image-root-3",))
    done = rotate(fleet.keys, ("image-root",), fleet.ring("first", "second"), fleet.now, change)
    fleet.start()
    made = fleet.built("1.1")
    fleet.online.accept_release(fleet.sign(made, "first", "second"), made.manifest)
    return f"{_force(done.in_force)}; {fleet.sees(fleet.bundle(made))}", "in force; installs app/1.1"


def _two_root_keys_lost(fleet: Scratch) -> tuple[str, str]:
    change = KeyChange(replace=("image-root-2", "image-root-3"))
    done = rotate(fleet.keys, ("image-root",), fleet.ring("first"), fleet.now, change)
    fleet.start()
    seen = fleet.sees(fleet.bundle(fleet.released("1.1")))
    fleet.later(400)
    try:
        fleet.start()
        late = fleet.sees(fleet.bundle())
    except SurefootError as error:
        late = error.kind
    expected = "not in force; installs app/1.1; a year later refuses the bundle (metadata_expired)"
    return f"{_force(done.in_force)}; {seen}; a year later {late}", expected


def _director_stolen(fleet: Scratch) -> tuple[str, str]:
    evil, foreign = fleet.built("6.6"), fleet.released("1.1", hw="jetson-orin")
    key = fleet.stolen("director")
    seen = [fleet.sees(_assigned(fleet, each, key)) for each in (evil, foreign)]
    rotate(fleet.keys, ("director", "halt"), fleet.ring(), fleet.now, KeyChange(planned=False))
    fleet.start()
    fleet.sees(fleet.bundle())
    seen.append(fleet.sees(_assigned(fleet, foreign, key)))
    expected = (
        "refuses the release (not_released); refuses the release (wrong_hardware); "
        "after the rotation refuses the bundle (metadata_untrusted)"
    )
    return f"{seen[0]}; {seen[1]}; after the rotation {seen[2]}", expected


def _director_rolls_back(fleet: Scratch) -> tuple[str, str]:
    older = fleet.released("0.9")
    return fleet.sees(_assigned(fleet, older, fleet.stolen("director"))), "refuses the release (below_counter)"


def _snapshot_and_timestamp_stolen(fleet: Scratch) -> tuple[str, str]:
    evil = fleet.built("6.6")
    forged = _forged_image(fleet, evil, fleet.stolen("halt"))
    seen = fleet.sees(forged)
    rotate(fleet.keys, ("image-snapshot", "image-timestamp"), fleet.ring(), fleet.now)
    fleet.start()
    made = fleet.released("1.1")
    recovered = fleet.sees(fleet.whole_bundle(made))
    expected = "refuses the release (metadata_untrusted); after the rotation installs app/1.1"
    return f"{seen}; after the rotation {recovered}", expected


def _halt_stolen(fleet: Scratch) -> tuple[str, str]:
    stolen, (good,) = fleet.stolen("halt"), (fleet.released("1.1"),)
    forged = sign_halt([good.wish.digest], fleet.online.next_seq(), fleet.now, [stolen])
    seen = fleet.sees_halt(forged)
    key = stolen.public_key.keyid
    revoke(fleet.keys, key, fleet.ring(), fleet.now)
    fleet.start()
    fleet.sees(fleet.bundle())
    again = fleet.sees_halt(sign_halt([good.wish.digest], fleet.online.next_seq(), fleet.now, [stolen]))
    lifted = fleet.sees_halt(fleet.online.halt([], fleet.now))
    expected = "halts 1; after the revocation refuses the halt list (metadata_untrusted), halts nothing"
    return f"{seen}; after the revocation {again}, {lifted}", expected


def _one_release_key_stolen(fleet: Scratch) -> tuple[str, str]:
    evil = fleet.built("6.6")
    role = fleet.sign(evil, "third")
    try:
        fleet.online.accept_release(role, evil.manifest)
        server = "the server takes it"
    except SurefootError as error:
        server = f"the server refuses ({error.kind})"
    thief = _bundle_with_role(fleet, evil, role)
    done = revoke(fleet.keys, "image-release-3", fleet.ring("first", "second"), fleet.now)
    fleet.start()
    seen = fleet.sees(thief)
    made = fleet.built("6.7")
    fleet.online.accept_release(fleet.sign(made, "first", "second"), made.manifest)
    after = fleet.sees(fleet.bundle(made))
    expected = (
        "the server refuses (signatures_missing); refuses the release (metadata_untrusted); "
        "revoked, in force; installs app/6.7"
    )
    return f"{server}; {seen}; revoked, {_force(done.in_force)}; {after}", expected


def _two_release_keys_and_the_server_stolen(fleet: Scratch) -> tuple[str, str]:
    evil = fleet.built("6.6")
    thief = _bundle_with_role(fleet, evil, fleet.sign(evil, "second", "third"))
    seen = fleet.sees(thief)
    lost = KeyChange(replace=("image-release-2", "image-release-3"), planned=False)
    rotate(fleet.keys, ("image-release",), fleet.ring("first", "second"), fleet.now, lost)
    rotate(fleet.keys, ONLINE, fleet.ring("first", "second"), fleet.now, KeyChange(planned=False))
    fleet.start()
    made = fleet.released("6.7")
    recovered, again = fleet.sees(fleet.bundle(made)), fleet.sees(thief)
    expected = "installs app/6.6; new keys: installs app/6.7, refuses the bundle (metadata_untrusted)"
    return f"{seen}; new keys: {recovered}, {again}", expected


def _whole_server_stolen(fleet: Scratch) -> tuple[str, str]:
    evil = fleet.built("6.6")
    role = build_release_role(99, fleet.now + timedelta(days=300), [release_target(evil.manifest)])
    forged = sign(role, [fleet.stolen(name) for name in ONLINE])
    return fleet.sees(_bundle_with_role(fleet, evil, forged, 99)), "refuses the release (metadata_untrusted)"


def _server_off(fleet: Scratch) -> tuple[str, str]:
    made = fleet.released("1.1")
    old = fleet.bundle(made)
    fleet.later(30)
    stale = fleet.sees(old)
    fleet.start()
    expected = "refuses the bundle (metadata_expired); once it is back installs app/1.1"
    return f"{stale}; once it is back {fleet.sees(fleet.bundle(made))}", expected


def _release_role_expires(fleet: Scratch) -> tuple[str, str]:
    made = fleet.released("1.1")
    fleet.later(170)
    fleet.start()
    standing = {alarm.file for alarm in alarms(fleet.online.expiring(), fleet.now)}
    warned = "warned" if any("rel-app" in file for file in standing) else "silent"
    fleet.later(20)
    fleet.online.refresh(fleet.now)
    stale = fleet.sees(fleet.bundle(made))
    renew(fleet.keys, ("image-release",), fleet.ring("first", "second"), fleet.now)
    newer = fleet.built("1.2")
    fleet.online.accept_release(fleet.sign(newer), newer.manifest)
    expected = "warned; refuses the release (metadata_expired); signed again installs app/1.2"
    return f"{warned}; {stale}; signed again {fleet.sees(fleet.bundle(newer))}", expected


def _assigned(fleet: Scratch, made: Made, key: Signer) -> bytes:
    """A bundle as a thief of the director key makes it, complete with what the server would send."""
    genuine = unpack(fleet.bundle(made))
    roots = {name: text for name, text in genuine.director.items() if name.endswith(".root.json")}
    director = sign_assignments(DEVICE, [made.wish], fleet.online.next_seq(), fleet.now, key)
    return pack(Bundle(DEVICE, {**roots, **director}, genuine.image))


def _bundle_with_role(fleet: Scratch, made: Made, role: bytes, version: int | None = None) -> bytes:
    """A bundle of a thief who has every online key, around a release role that he could not get signed."""
    genuine = unpack(fleet.whole_bundle(made))
    name = role_name(made.wish.note.component)
    image_dir = fleet.folder / "data" / "repo" / "image"
    number, expires = version or versions_of(image_dir, name)[-1] + 1, fleet.now + timedelta(days=300)
    at = fleet.online.next_seq()
    files = {"targets": versions_of(image_dir, "targets")[-1], name: number}
    image = {key: text for key, text in genuine.image.items() if "root" in key or "targets" in key}
    snapshot = sign(build_snapshot(at, expires, files), [fleet.stolen("image-snapshot")])
    timestamp = sign(build_timestamp(at, expires, at), [fleet.stolen("image-timestamp")])
    image |= {f"{at}.snapshot.json": snapshot.decode(), "timestamp.json": timestamp.decode()}
    image[f"{number}.{name}.json"] = role.decode()
    return pack(Bundle(DEVICE, genuine.director, image))


def _forged_image(fleet: Scratch, made: Made, key: Signer) -> bytes:
    role = build_release_role(99, fleet.now + timedelta(days=300), [release_target(made.manifest)])
    return _bundle_with_role(fleet, made, sign(role, [key]), 99)


def _force(in_force: bool) -> str:
    return "in force" if in_force else "not in force"


SCENES: dict[str, tuple[str, Play]] = {
    "rotation": ("every key of every role is replaced", _rotation),
    "loss above threshold": ("one root key of three is lost and replaced", _one_root_key_lost),
    "loss below threshold": ("two root keys of three are lost", _two_root_keys_lost),
    "theft of director": ("unlisted and foreign releases are assigned; then the key is rotated", _director_stolen),
    "rollback by director": ("an older release is assigned as an update", _director_rolls_back),
    "theft of snapshot, timestamp": ("an unlisted release is offered; then rotated", _snapshot_and_timestamp_stolen),
    "theft of halt": ("a good release is halted; then the key is revoked", _halt_stolen),
    "theft of a release key": ("a release is signed with one key of three; then revoked", _one_release_key_stolen),
    "theft of two release keys": (
        "with the server they release anything; then all are replaced",
        _two_release_keys_and_the_server_stolen,
    ),
    "theft of the server": ("every online key signs an unlisted release", _whole_server_stolen),
    "server off": ("the server is off for a month", _server_off),
    "release role expires": ("nobody signs for half a year", _release_role_expires),
}
