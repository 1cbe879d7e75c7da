"""docs/migrate-from-*.md, carried out: the settings and commands of the page, on a device that the other agent ran."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import sight, way_back
from surefoot_agent.boot.adopt import adopt
from surefoot_agent.boot.platform import MARKERS, enabled
from surefoot_agent.boot.select import boot_of
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import components_of, load
from surefoot_shared.status import Outcome, SlotName, SlotState
from tests.agent.boot.migrated import Migrated
from tests.agent.boot.test_adopt import bench_of, grub_of_mender, menders, raucs

pytestmark = [pytest.mark.needs("fw_printenv", "fw_setenv", "grub-editenv"), pytest.mark.usefixtures("unsynced")]

DOCS = Path(__file__).parents[3] / "docs"
A, B = SlotName.A, SlotName.B
UNITS = {
    "rauc": ("rauc-mark-good.service",),
    "mender": ("mender-client.service", "mender-updated.service"),
}
"""Units that the other agent's packages enable and that would call a slot good."""
LEFT = {"rauc": (raucs, "2024.03-1"), "mender": (menders, "release-7")}
SYSTEMCTL = """#!/bin/sh
verb=$1; shift
for unit; do
    case $verb in
    mask) ln -sf /dev/null "ROOT/etc/systemd/system/$unit" ;;
    disable) rm -f ROOT/etc/systemd/system/*.wants/"$unit" ;;
    *) exit 1 ;;
    esac
done
"""

pages = pytest.mark.parametrize("agent", LEFT)


def block(agent: str, language: str, number: int = 0) -> str:
    """The page's first block of that language: how the device is taken over, before anything else that it offers."""
    found = re.findall(rf"```{language}\n(.*?)```", (DOCS / f"migrate-from-{agent}.md").read_text(), re.DOTALL)
    assert found
    return str(found[number])


def component_on(agent: str, tmp_path: Path) -> ComponentSettings:
    """The component that the page configures; `/etc/fw_env.config` is that of the bench."""
    file = tmp_path / "agent.toml"
    file.write_text(block(agent, "toml"))
    (component,) = components_of(load(file))
    return replace(component, boot_config=tmp_path / "board/fw_env.config")


@pytest.fixture(autouse=True)
def _restartable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way_back, "restarts", lambda system: (("/bin/true",),))


@pages
def test_the_settings_of_the_page_take_the_device_over_update_it_and_bring_it_back(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, (root_of, version) = bench_of(agent, tmp_path), LEFT[agent]
    component = component_on(agent, tmp_path)
    monkeypatch.setattr(UBoot.__init__, "__defaults__", (bench.folder / "cmdline",))
    device = Migrated(tmp_path / "device", bench)
    device.parts["app"].boot_control = boot_of(component, device.component_dir)  # type: ignore[assignment]
    device.health.sick.add("1.1")

    assert adopt(component, device.hands().boot, device.component_dir, root_of(tmp_path / "root"))
    device.assign(device.wish("1.1", "a-1"))
    device.live()
    device.assign(device.wish("1.2", "a-2"))
    device.live()

    assert device.server.outcomes() == [("a-1", Outcome.REVERTED, "health_failed"), ("a-2", Outcome.COMMITTED, None)]
    assert device.entered == [A, B, A, B]
    report = sight.slot_reports(device.hands())
    assert (report[A].state, report[A].release, report[B].release) == (SlotState.GOOD, version, "1.2")


def test_the_settings_for_menders_grub_take_a_box_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(block("mender", "toml", 1))
    (told,) = components_of(load(file))
    bench = grub_of_mender(tmp_path)
    folders = [tmp_path / Path(word).relative_to("/") for word in told.boot_files.split()]
    for folder, pair in zip(folders, bench.scripts.pairs, strict=True):
        folder.mkdir(parents=True)
        (folder / "env").symlink_to(pair.env)
        (folder / "lock").symlink_to(pair.lock)
    monkeypatch.setattr(UBoot.__init__, "__defaults__", (bench.folder / "cmdline",))
    component = replace(told, boot_files=" ".join(map(str, folders)))
    boot = boot_of(component, tmp_path / "device")

    assert adopt(component, boot, bench.folder, menders(tmp_path / "root"))
    boot.arm_trial(B)
    bench.enter()

    assert (boot.current(), boot.primary()) == (B, A)
    boot.commit(B)
    assert boot.primary() is B


@pages
def test_the_commands_of_the_page_silence_everybody_who_would_call_a_slot_good(agent: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    for unit in UNITS[agent]:
        (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")
    assert set(enabled(root, MARKERS)) == set(UNITS[agent])
    shim = tmp_path / "bin/systemctl"
    shim.parent.mkdir()
    shim.write_text(SYSTEMCTL.replace("ROOT", str(root)))
    shim.chmod(0o755)

    subprocess.run(
        ["sh", "-e"], input=block(agent, "sh"), env={"PATH": f"{shim.parent}:/usr/bin:/bin"}, text=True, check=True
    )

    assert enabled(root, MARKERS) == ()


@pages
def test_the_variables_of_ours_that_a_strict_u_boot_must_allow_are_named(agent: str, tmp_path: Path) -> None:
    bench = bench_of(agent, tmp_path)
    before = set(bench.medium.read() or {})
    boot = bench.open()

    boot.commit(A)
    boot.set_state(B, SlotState.BAD)
    boot.arm_trial(B)

    page = (DOCS / f"migrate-from-{agent}.md").read_text()
    new = set(bench.medium.read() or {}) - before
    assert new
    assert [name for name in new if f"`{name}`" not in page and not name.startswith("mender_")] == []
