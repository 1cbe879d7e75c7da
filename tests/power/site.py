"""What the machine talks to: the real server on this host, reached from inside through the emulator's own network.

Promises: keys, releases and rollouts are made by the operator's command line; the server listens on loopback only and
has a certificate for the address that the machine knows it by.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

from surefoot_shared.errors import SurefootError
from surefoot_simulators.demo.api import Api
from surefoot_simulators.demo.seen import SeenAssignment
from surefoot_simulators.demo.server import Operator, Ports, Server
from surefoot_simulators.demo.story import POLICIES
from tests.power.slots import NONE, Image, Mishap, image_of, release_image

HOST = "10.0.2.2"
"""This host, as the emulator's network shows it to the machine."""
COMPONENT = "rootfs"
HARDWARE = "qemu-virt"
OVER = ("succeeded", "failed", "halted")
RECIPE = """
[probation]
startup_s = 15
steady = 2
soak_s = 2
[[checks]]
name = "root"
kind = "process"
timeout_s = 5
[[checks]]
name = "web"
kind = "http"
timeout_s = 5
params = { url = "http://127.0.0.1:8080/release" }
"""
"""What every release must prove: that it is the root, and that its own web server answers."""


class ReachableServer(Server):
    """The demonstration's server, under the address that machines know."""

    def __init__(self, folder: Path, keys: Path, ports: Ports, component: str) -> None:
        super().__init__(folder, keys, ports)
        self.device_url = f"https://{HOST}:{ports.device}"
        self.api = Api(self.url, self.token_file, component)
        # Blocks that a slot holds are enough here; to make a pack takes a minute of one of the emulator's cores.
        self.unit.set_env("SUREFOOT_SERVER_PACKS_LIMIT_BYTES", "0")

    def command(self, keys: Path) -> list[str]:
        return [*super().command(keys), "--public-host", HOST, "--listen", "127.0.0.1"]


class Site:
    """One server with its operator; `close` ends it. `images` holds each release's image by version."""

    def __init__(self, folder: Path, component: str = COMPONENT) -> None:
        self.component = component
        ports = Ports.free()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.images, self.cameras = folder, dict[str, Image](), itertools.count(1)
        self._counters = itertools.count(1)
        self.operator = Operator(folder, ports.api, folder / "server" / "secrets" / "operator.token")
        self.operator.run("keys", "init", str(self.operator.keys), "--component", component)
        self.server = ReachableServer(folder, self.operator.keys, ports, component)
        self.server.start()

    def close(self) -> None:
        self.server.stop()

    def release(self, version: str, mishap: Mishap = NONE) -> Path:
        """Make, sign and publish the release of an image; return the release folder."""
        image = release_image(self.folder, version, mishap)
        self.images[version] = image_of(image)
        out = self.publish(image, version, RECIPE)
        image.unlink()
        return out

    def publish(self, content: Path, version: str, recipe: str) -> Path:
        """Build, sign and publish a release of an image or a folder; return the release folder."""
        file, out = self.folder / "recipe.toml", self.folder / f"release-{version}"
        file.write_text(recipe)
        counter = str(100 + next(self._counters))
        named = ["--component", self.component, "--version", version, "--counter", counter, "--hw", HARDWARE]
        self.operator.run("release", "build", str(content), *named, "--recipe", str(file), "-o", str(out))
        self.operator.sign(out)
        self.operator.publish(out)
        return out

    def update(self, version: str, device: str) -> str:
        """Start a rollout of the release to this device alone; return its id."""
        policy, cohort = POLICIES / "single.yaml", f"device == '{device}'"
        words = ["--release", f"{self.component}/{version}", "--cohort", cohort, "--policy", str(policy), "--yes"]
        made = self.operator.run_json("rollout", "start", *words)
        assert isinstance(made, dict)  # the command's documented answer
        return str(made["id"])

    def is_over(self, rollout: str) -> bool:
        """Whether the rollout leaves its devices to the next one."""
        return self.server.api.rollout(rollout).state in OVER

    def online(self, device: str) -> bool:
        found = self.server.api.devices().get(device)
        return found is not None and found.online

    def runs(self, device: str, version: str) -> bool:
        """Whether the device proves that this version runs, and has nothing more to do."""
        found = self.server.api.devices().get(device)
        return found is not None and (found.version, found.state) == (version, "idle")

    def outcome(self, device: str, version: str) -> SeenAssignment | None:
        """The device's newest assignment of a version, once it has an outcome."""
        of_version = [each for each in self.server.api.assignments(device) if each.version == version]
        return of_version[-1] if of_version and of_version[-1].outcome else None

    def wait(self, true: Callable[[], object], what: str, limit_s: float = 300.0) -> None:
        """Ask again and again; a server that does not answer counts as a no."""
        until_s = time.monotonic() + limit_s
        while not _says(true):
            assert time.monotonic() < until_s, f"waited {limit_s:g} s for {what}"
            time.sleep(0.2)


def _says(true: Callable[[], object]) -> bool:
    try:
        return bool(true())
    except SurefootError:
        return False
