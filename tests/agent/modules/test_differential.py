"""The same artifacts through Debian's own `mender install` and through this host: the same calls, the same end.

Mender runs in a mount namespace of its own, where the modules are the same recording, failing ones that our host calls.
Left out of the comparison are the two queries, which it may ask as often as it likes.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from surefoot_agent.modules.flow import Order
from surefoot_server.releases.mender import unpack
from tests.agent.modules.test_host import REPORT, packed
from tests.agent.modules.world import STOCK, World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("/usr/share/mender/modules/v3/single-file", "mender", "mender-artifact"),
]
QUERIES = {"SupportsRollback", "NeedsArtifactReboot"}


class Both:
    """One artifact, and a world for each of the two that install it."""

    def __init__(self, folder: Path, kind: str, fault: str) -> None:
        self._folder, self.kind = folder, kind
        self.ours = World(folder / "ours", kind, STOCK / kind, Order.V3)
        self.theirs = World(folder / "theirs", kind, STOCK / kind, Order.V3)
        for world in (self.ours, self.theirs):
            world.faults(fault)
            (world.folder / "seen").write_text("old")

    def artifact(self, world: World) -> Path:
        """The files name a folder of the world, so each has an artifact of its own."""
        target = str(world.folder)
        files = {
            "single-file": {"dest_dir": target, "filename": "seen", "permissions": "644", "seen": "new"},
            "directory": {"dest_dir": str(world.folder / "target"), "update.tar": packed("new")},
            "script": {"do.sh": REPORT.format("new")},
        }[self.kind]
        given = world.folder / "given"
        given.mkdir()
        for name, text in files.items():
            (given / name).write_text(text)
        out = world.folder / "x.mender"
        listed = [word for name in files for word in ("-f", str(given / name))]
        make = ["mender-artifact", "write", "module-image", "-T", self.kind, "-n", "rel-2", "-t", "rpi5"]
        subprocess.run([*make, "-o", out, *listed], check=True, capture_output=True, timeout=60)
        return out

    def install_theirs(self) -> bool:
        """Install and commit; return whether both succeeded."""
        world, etc = self.theirs, self._folder / "etc"
        etc.mkdir()
        (etc / "artifact_info").write_text("artifact_name=rel-1\n")
        data = self._folder / "data"
        data.mkdir()
        (data / "device_type").write_text("device_type=rpi5\n")
        (self._folder / "c.json").write_text("{}")
        mender = f"mender --no-syslog --config {self._folder / 'c.json'} --data {data}"
        script = f"""
            mount --bind {etc} /etc/mender && mount --bind {world.folder / "modules"} {STOCK} || exit 99
            {mender} install {self.artifact(world)} && {{ {mender} commit || [ $? = 2 ]; }}
        """
        env = {**os.environ, "WORLD": str(world.folder), "STOCK": str(STOCK)}
        namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        done = subprocess.run([*namespace, "sh", "-c", script], env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode != 99, done.stderr
        return done.returncode == 0

    def install_ours(self) -> bool:
        world = self.ours
        unpack(self.artifact(world), world.folder / "B")
        return not (world.enter("B") or world.commit("B"))


def calls(world: World) -> list[str]:
    return [call for call in world.called() if call not in QUERIES]


def content(world: World) -> str:
    places = [world.folder / "target/seen", world.folder / "seen"]
    return next(place.read_text() for place in places if place.exists())


@pytest.mark.parametrize("fault", ["", "fail Download", "fail ArtifactInstall", "fail ArtifactCommit", "fail Cleanup"])
@pytest.mark.parametrize("kind", ["single-file", "directory", "script"])
def test_the_same_artifact_ends_the_same_by_the_same_calls(tmp_path: Path, kind: str, fault: str) -> None:
    both = Both(tmp_path, kind, fault)
    # The stock module is hidden by the mount: theirs calls a copy.
    copy = both.theirs.folder / "stock"
    copy.write_bytes((STOCK / kind).read_bytes())
    copy.chmod(0o755)
    wrapper = both.theirs.folder / "modules" / kind
    wrapper.write_text(wrapper.read_text().replace(str(STOCK / kind), str(copy)))

    ours, theirs = both.install_ours(), both.install_theirs()

    assert calls(both.ours) == calls(both.theirs)
    assert content(both.ours) == content(both.theirs)
    if fault != "fail Cleanup":
        assert ours == theirs
