"""A machine that RAUC or Mender ran, with its boot script on a real U-Boot: our agent updates it and brings it back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_simulators.demo.server import program
from tests.power import disk, slots
from tests.power.camera import ENTERED, Camera
from tests.power.marks import ON_THE_MACHINE
from tests.power.scripts import AGENTS, Agent, write_script
from tests.power.site import HARDWARE, Site
from tests.power.slots import MUTE, NONE, Mishap

pytestmark = ON_THE_MACHINE
SYSTEM = """\
[system]
compatible=camera
bootloader=uboot
data-directory=/data/rauc
[slot.rootfs.0]
device=/dev/disk/by-partlabel/slot_a
bootname=A
[slot.rootfs.1]
device=/dev/disk/by-partlabel/slot_b
bootname=B
"""
STATUS = "[slot.rootfs.0]\nbundle.version=2024.03-1\nstatus=ok\n"


def with_settings(agent: Agent, mishap: Mishap, folder: Path) -> Mishap:
    """The release's agent is told whose variables the bootloader reads; a RAUC device has RAUC's configuration."""
    told, system = folder / "machine.toml", folder / "system.conf"
    place = "/etc/surefoot/agent.d/machine.toml"
    told.write_text((slots.GUEST / place.removeprefix("/")).read_text() + agent.settings)
    system.write_text(SYSTEM)
    orders = f"rm {place}\nwrite {told} {place}\nmkdir /etc/rauc\nwrite {system} /etc/rauc/system.conf\n"
    return replace(mishap, orders=mishap.orders + orders)


def make_migrated(site: Site, agent: Agent, folder: Path, firmware: Path, version: str) -> Camera:
    """A camera whose slot A holds what no key of ours signed, and whose state folder knows how to enrol."""
    root, settings, token = folder / "root", folder / "factory.toml", folder / "token"
    (root / "rauc").mkdir(parents=True)
    (root / "rauc/central.raucs").write_text(STATUS)
    settings.write_text('state_dir = "/surefoot"\n')
    token.write_text(site.operator.enrolment_token(1))
    where = ["--config", str(settings), "--image", str(root), "--server", site.server.device_url]
    given = ["--bootstrap", str(site.operator.keys / "bootstrap"), "--token-file", str(token)]
    command = [program("surefoot-agent"), "enrol", *where, *given, "--device", "cam-{mac}", "--hw", HARDWARE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    image = slots.release_image(folder, version, with_settings(agent, NONE, folder))
    state = folder / "bootstate.img"
    disk.new_boot_state(state, agent.environment)
    camera = Camera(folder, firmware, site.images, next(site.cameras), seed=1)
    disk.make_disk(camera.image, image, state, root, write_script(agent, folder / "boot.cmd"))
    return camera


@pytest.mark.parametrize("agent", AGENTS, ids=[agent.name for agent in AGENTS])
def test_a_device_of_another_agent_is_updated_and_reverted_by_its_own_boot_script(
    agent: Agent, site: Site, firmware: Path, numbers: Iterator[int], tmp_path: Path
) -> None:
    camera = make_migrated(site, agent, tmp_path, firmware, f"0.{next(numbers)}")

    def update(mishap: Mishap) -> tuple[str | None, str | None, str]:
        version = f"1.{next(numbers)}"
        site.release(version, with_settings(agent, mishap, tmp_path))
        rollout = site.update(version, camera.device)
        site.wait(lambda: site.outcome(camera.device, version), f"the outcome of {version}", 600.0)
        site.wait(lambda: site.is_over(rollout), f"the end of the rollout of {version}")
        ended = site.outcome(camera.device, version)
        assert ended is not None
        return ended.outcome, ended.reason, version

    try:
        camera.on()
        camera.machine.expect(f"adopted variables={agent.name} slot=A")
        site.wait(lambda: site.online(camera.device), "the camera's first contact")
        good = update(NONE)
        bad = update(MUTE)
        site.wait(lambda: site.runs(camera.device, good[2]), f"the camera on {good[2]}")
        entered = [found[1] for found in camera.machine.said(ENTERED)]
    finally:
        camera.close()

    assert (good[:2], bad[:2]) == (("committed", None), ("reverted", "health_failed"))
    assert entered == ["A", "B", "A", "B"]
    left = camera.boot_state()
    theirs = {"rauc": {"BOOT_ORDER": "B"}, "mender": {"mender_boot_part": "4", "upgrade_available": "0"}}[agent.name]
    assert theirs.items() <= left.items()
    assert left["surefoot_b"] == "good"
