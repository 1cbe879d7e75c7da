"""A camera as it leaves the factory: its first release in slot A by the agent's own `enrol`, the rest of the disk made.

Promises: nothing on the disk makes it this device rather than another; its first start enrols it. The folders stand in
for the partitions until the disk is made of them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from surefoot_simulators.demo.server import program
from tests.power import disk
from tests.power.camera import Camera
from tests.power.site import COMPONENT, HARDWARE, Site

SETTINGS = """
state_dir = "/surefoot"
[components.{component}]
kind = "image"
boot = "uboot"
slot_a = "{folder}/slot_a.img"
slot_b = "{folder}/slot_b.img"
boot_config = "{folder}/fw_env.config"
"""


def make_camera(site: Site, folder: Path, firmware: Path, release: Path, seed: int) -> Camera:
    """Make one camera with `release` in slot A. Its device id is `Camera.device` once it was switched on."""
    root, first = folder / "root", folder / "slot_a.img"
    root.mkdir(parents=True)
    for slot in (first, folder / "slot_b.img"):
        with slot.open("wb") as file:
            file.truncate(disk.SLOT_MIB * disk.MIB)
    state = folder / "bootstate.img"
    disk.new_boot_state(state)
    settings, token = folder / "factory.toml", folder / "token"
    settings.write_text(SETTINGS.format(component=COMPONENT, folder=folder))
    token.write_text(site.operator.enrolment_token(1))
    where = ["--config", str(settings), "--image", str(root), "--server", site.server.device_url]
    given = ["--bootstrap", str(site.operator.keys / "bootstrap"), "--token-file", str(token)]
    named = ["--device", "cam-{mac}", "--hw", HARDWARE, "--release", str(release)]
    command = [program("surefoot-agent"), "enrol", *where, *given, *named]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    camera = Camera(folder, firmware, site.images, next(site.cameras), seed)
    disk.make_disk(camera.image, first, state, root)
    return camera
