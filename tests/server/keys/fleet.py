"""A fleet's keys folder, a server made from it and releases, for the tests of this folder and of releases."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from surefoot_server.keys.init import KeyPlan, init_keys
from surefoot_server.keys.install import InstalledKeys, install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_server.releases.sign import sign_release
from surefoot_shared.messages import AssignmentNote, MetadataVersions
from surefoot_shared.release import Application
from surefoot_shared.status import Intent
from surefoot_shared.trust.director import SignedWish
from surefoot_shared.trust.verify import Verified, accept_halt, decide

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
PASSPHRASE = b"correct horse battery"
DEVICE, HW = "cam-17", "rpi5"


class Fleet:
    """Keys, one server and one device. The clock stands at `now`."""

    def __init__(self, folder: Path, components: tuple[str, ...] = ("app",), plan: KeyPlan | None = None) -> None:
        self.folder, self.keys, self.data = folder, folder / "keys", folder / "data"
        self.trust, self.now = folder / "trust", NOW
        init_keys(self.keys, PASSPHRASE, NOW, components=components, plan=plan)
        self.start_server()
        for repository in ("image", "director"):
            (self.trust / "bootstrap").mkdir(parents=True, exist_ok=True)
            root = (self.keys / "bootstrap" / f"{repository}.root.json").read_bytes()
            (self.trust / "bootstrap" / f"{repository}.root.json").write_bytes(root)

    @staticmethod
    def serving(keys: Path, data: Path) -> OnlineRepository:
        """A server made from a keys folder; it refuses to start where something is not signed as it must be."""
        installed = install_keys(keys, data)
        return OnlineRepository(installed.repo_dir, installed.online_dir, lambda: NOW)

    def start_server(self) -> OnlineRepository:
        self.installed: InstalledKeys = install_keys(self.keys, self.data)
        self.online = OnlineRepository(self.installed.repo_dir, self.installed.online_dir, lambda: self.now)
        return self.online

    def built(self, version: str = "1.1", counter: int = 101, component: str = "app", text: str = "count") -> Path:
        """A release folder, signed."""
        tree = self.folder / f"tree-{component}-{version}"
        (tree / "bin").mkdir(parents=True, exist_ok=True)
        (tree / "bin" / "count").write_text(f"#!/bin/sh\necho {text} {version}\n")
        (tree / "bin" / "count").chmod(0o755)
        out = self.folder / f"release-{component}-{version}-{text}"
        recipe = Recipe(component, version, counter, hw=(HW,), application=Application(("bin/count",)))
        build_release(tree, recipe, out)
        sign_release(out, self.keys, PASSPHRASE, self.now)
        return out

    def publish(self, release: Path) -> SignedWish:
        """Publish and return a wish for it."""
        manifest = (release / "manifest.json").read_bytes()
        note = self.online.accept_release((release / "role.json").read_bytes(), manifest)
        return wish_for(self.online, note.component, note.version, manifest)

    def decide(self, raw: bytes, days: float = 0) -> Verified:
        return decide(self.trust, DEVICE, HW, raw, self.now + timedelta(days=days))

    def halt(self, raw: bytes) -> tuple[int, tuple[str, ...]]:
        return accept_halt(self.trust, raw, self.now)[:2]

    def bundle(self, *wishes: SignedWish, have: tuple[MetadataVersions, MetadataVersions] | None = None) -> bytes:
        image, director = have or (MetadataVersions(), MetadataVersions())
        return self.online.bundle(DEVICE, wishes, image, director, self.now)


def wish_for(online: OnlineRepository, component: str, version: str, manifest: bytes) -> SignedWish:
    from surefoot_shared.release import digest_of

    seq = online.next_seq()
    note = AssignmentNote(DEVICE, f"a-{seq}", component, seq, Intent.UPDATE)
    return SignedWish(note, version, digest_of(manifest), len(manifest))
