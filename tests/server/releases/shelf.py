"""A signed release and how it reaches a server, for the tests of service, repository and API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from surefoot_server.releases.build import build_release
from surefoot_server.releases.models import Release
from surefoot_server.releases.recipe import Recipe
from surefoot_server.releases.sign import sign_release
from tests.server.conftest import PASSPHRASE
from tests.server.rig import NOW, Rig


@dataclass(frozen=True)
class Shelf:
    """A release folder as `surefoot release` makes it."""

    folder: Path

    @property
    def manifest(self) -> bytes:
        return (self.folder / "manifest.json").read_bytes()

    @property
    def role(self) -> bytes:
        return (self.folder / "role.json").read_bytes()

    @property
    def blobs(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.folder / "blobs").iterdir())}


def make(rig: Rig, folder: Path, version: str = "1.1", text: str = "count") -> Shelf:
    tree, out = folder / f"tree-{version}-{text}", folder / f"out-{version}-{text}"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "count").write_text(text)
    (tree / "model").write_text("weights")
    counter = int(version.replace(".", ""))
    build_release(tree, Recipe("app", version, counter, hw=("rpi5", "jetson-orin")), out)
    sign_release(out, rig.keys, PASSPHRASE, datetime.now(timezone.utc))
    return Shelf(out)


def upload(rig: Rig, shelf: Shelf) -> None:
    for name, raw in shelf.blobs.items():
        rig.state.blobs.put(name, raw)


def publish(rig: Rig, shelf: Shelf) -> Release:
    upload(rig, shelf)
    return rig.state.releases.publish(shelf.role, shelf.manifest, "first", NOW)
