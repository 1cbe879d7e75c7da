"""A whole fleet in a scratch folder, for rehearsals: three people with keys, one server, one device, and a clock.

Everything in it is real: keys, repositories, the server's signing and the device's verification. Nothing of it touches
another folder, and its keys are worth nothing outside it.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from surefoot_server.keys.files import read_key
from surefoot_server.keys.init import KeyPlan, init_keys
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.keys.quorum import parse_quorums
from surefoot_server.keys.signers import KeyRing
from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_server.releases.sign import sign_release
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.messages import AssignmentNote, MetadataVersions
from surefoot_shared.release import digest_of
from surefoot_shared.status import Intent
from surefoot_shared.trust.director import SignedWish
from surefoot_shared.trust.floors import FloorStore
from surefoot_shared.trust.verify import accept_halt, decide
from surefoot_shared.trust.versions import metadata_versions

PEOPLE = ("first", "second", "third")
THRESHOLDS = ("root=2/3", "targets=2/3", "release=2/3")
COMPONENT, DEVICE, HW = "app", "cam-drill", "rpi5"


@dataclass(frozen=True, slots=True)
class Made:
    """A release as it was signed, and the wish for it."""

    wish: SignedWish
    folder: Path

    @property
    def manifest(self) -> bytes:
        return (self.folder / "manifest.json").read_bytes()


class Scratch:
    """Two of three people sign everything. The clock stands at `now`."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.folder, self.now = folder, now
        self._secret = folder / "passphrase"
        if not self.keys.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._secret.write_text(secrets.token_hex(16))
            plan = KeyPlan(parse_quorums(THRESHOLDS), tuple(self.stick(name) for name in PEOPLE))
            init_keys(self.keys, self.passphrase, now, "drill", (COMPONENT,), plan)
        self.online = self.start()
        for repository in ("image", "director"):
            (self.trust / "bootstrap").mkdir(parents=True, exist_ok=True)
            name = f"{repository}.root.json"
            shutil.copy(self.keys / "bootstrap" / name, self.trust / "bootstrap" / name)

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    @property
    def passphrase(self) -> bytes:
        return self._secret.read_bytes()

    def stick(self, name: str) -> Path:
        return self.folder / "sticks" / name

    def ring(self, *people: str) -> KeyRing:
        return KeyRing(self.keys, self.passphrase, offline=tuple(self.stick(name) for name in people or PEOPLE))

    def start(self) -> OnlineRepository:
        """Install the keys folder and start the server, again where it runs."""
        installed = install_keys(self.keys, self.folder / "data")
        self.online = OnlineRepository(installed.repo_dir, installed.online_dir, lambda: self.now)
        return self.online

    def later(self, days: float) -> None:
        self.now += timedelta(days=days)

    def built(self, version: str, hw: str = HW, svn: int = 0) -> Made:
        """Build a release that nobody has signed."""
        tree, out = self.folder / f"tree-{version}", self.folder / f"release-{version}"
        tree.mkdir()
        (tree / "file").write_text(version)
        counter = int(version.replace(".", ""))
        build_release(tree, Recipe(COMPONENT, version, counter, svn=svn, hw=(hw,)), out)
        raw = (out / "manifest.json").read_bytes()
        seq = self.online.next_seq()
        note = AssignmentNote(DEVICE, f"a-{seq}", COMPONENT, seq, Intent.UPDATE)
        return Made(SignedWish(note, version, digest_of(raw), len(raw)), out)

    def sign(self, made: Made, *people: str) -> bytes:
        sticks = tuple(self.stick(name) for name in people or PEOPLE)
        sign_release(made.folder, self.keys, self.passphrase, self.now, offline=sticks)
        return (made.folder / "role.json").read_bytes()

    def released(self, version: str, hw: str = HW, svn: int = 0) -> Made:
        """Build, sign and publish a release."""
        made = self.built(version, hw, svn)
        self.online.accept_release(self.sign(made), made.manifest)
        return made

    def bundle(self, *made: Made) -> bytes:
        image, director = metadata_versions(self.trust)
        return self.online.bundle(DEVICE, [each.wish for each in made], image, director, self.now)

    def whole_bundle(self, *made: Made) -> bytes:
        """With every file, as for a device that has nothing."""
        none = MetadataVersions()
        return self.online.bundle(DEVICE, [each.wish for each in made], none, none, self.now)

    def sees(self, raw: bytes) -> str:
        """What the device does with a bundle, in a few words."""
        try:
            verified = decide(self.trust, DEVICE, HW, raw, self.now)
        except UntrustedRelease as error:
            return f"refuses the bundle ({error.kind})"
        said = [f"installs {each.target.component}/{each.target.version}" for each in verified.approved]
        said += [f"refuses the release ({each.kind})" for each in verified.refused]
        return ", ".join(said) or "installs nothing"

    def sees_halt(self, raw: bytes) -> str:
        try:
            digests: Sequence[str] = accept_halt(self.trust, raw, self.now)[1]
        except UntrustedRelease as error:
            return f"refuses the halt list ({error.kind})"
        return f"halts {len(digests)}" if digests else "halts nothing"

    def commits(self, raw: bytes) -> None:
        """The device installed what the bundle approves and found it healthy: its floors rise."""
        for each in decide(self.trust, DEVICE, HW, raw, self.now).approved:
            FloorStore(self.trust).committed(each.target)

    def stolen(self, name: str) -> CryptoSigner:
        """A thief's copy of an online key."""
        return read_key(self.keys / "online", name)
