"""A device that RAUC or Mender ran is taken over with its boot script: first update, first revert, nothing flashed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from surefoot_agent import helper, node, sight, way_back
from surefoot_agent.boot import adopt as adoption
from surefoot_agent.boot.adopt import RECORD, adopt, releases
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.boot.variables import Surefoot, whose
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.ports import BootControl
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import Outcome, SlotName, SlotState
from tests.agent.boot.benches import BENCHES, UBootBench
from tests.agent.boot.grub_benches import MenderGrubBench, mender_grub
from tests.agent.boot.migrated import Migrated

pytestmark = [pytest.mark.needs("fw_printenv", "fw_setenv", "grub-editenv"), pytest.mark.usefixtures("unsynced")]

A, B = SlotName.A, SlotName.B
RAUC = ComponentSettings("image", "uboot", "rauc", "system0 system1")
MENDER = ComponentSettings("image", "uboot", "mender")
MENDER_GRUB = ComponentSettings("image", "grub", "mender")
SYSTEM = """\
[system]
compatible=camera
bootloader=uboot
data-directory=/data/rauc

[keyring]
path=/etc/rauc/ca.pem

[slot.rootfs.0]
device=/dev/mmcblk0p2
bootname=system0

[slot.rootfs.1]
device=/dev/mmcblk0p3
bootname=system1

[slot.appfs.0]
device=/dev/mmcblk0p4
parent=rootfs.0
"""
STATUS = """\
[slot.rootfs.0]
bundle.compatible=camera
bundle.version=2024.03-1
status=ok
sha256=8e7d2b6ed5ca4ea5c0b1b30d1d5a2d8f0fd9c1f1b7c6e1e1a1b1c1d1e1f1a1b1
size=419430400
installed.timestamp=2024-03-01T10:00:00Z
installed.count=4

[slot.rootfs.1]
bundle.version=2024.02-7
status={status}
"""


@pytest.fixture(autouse=True)
def _restartable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way_back, "restarts", lambda system: (("/bin/true",),))


def bench_of(kind: str, tmp_path: Path) -> UBootBench:
    (tmp_path / "board").mkdir()
    bench = BENCHES[kind](tmp_path / "board")
    assert isinstance(bench, UBootBench)
    return bench


def raucs(root: Path, status: str | None = "ok", system: str = SYSTEM) -> Path:
    (root / "etc/rauc").mkdir(parents=True)
    (root / "etc/rauc/system.conf").write_text(system)
    (root / "data/rauc").mkdir(parents=True)
    if status is not None:
        (root / "data/rauc/central.raucs").write_text(STATUS.format(status=status))
    return root


def menders(root: Path) -> Path:
    (root / "etc/mender").mkdir(parents=True)
    (root / "etc/mender/artifact_info").write_text("artifact_name=release-7\n")
    return root


TAKEN = {"rauc": (RAUC, raucs, "2024.03-1"), "mender": (MENDER, menders, "release-7")}


@pytest.mark.parametrize("kind", TAKEN)
def test_the_first_update_and_the_first_revert_leave_the_boot_script_as_it_is(kind: str, tmp_path: Path) -> None:
    component, root_of, version = TAKEN[kind]
    bench = bench_of(kind, tmp_path)
    device = Migrated(tmp_path / "device", bench)
    hands = device.hands()
    assert adopt(component, hands.boot, hands.component_dir, root_of(tmp_path / "root"))
    assert sight.slot_reports(hands)[A].release == version

    device.assign(device.wish("1.1", "a-1"))
    device.live()
    first = list(device.entered)
    device.health.sick.add("1.2")
    device.assign(device.wish("1.2", "a-2"))
    device.live()

    assert device.server.outcomes() == [
        ("a-1", Outcome.COMMITTED, None),
        ("a-2", Outcome.REVERTED, "health_failed"),
    ]
    assert (first, device.entered) == ([A, B], [A, B, A, B])
    env = bench.medium.read() or {}
    theirs = {"rauc": {"BOOT_ORDER": "system1"}, "mender": {"mender_boot_part": "3", "upgrade_available": "0"}}[kind]
    assert theirs.items() <= env.items()


@pytest.mark.parametrize("kind", TAKEN)
def test_the_very_first_update_may_fail_and_the_old_agents_root_is_the_way_back(kind: str, tmp_path: Path) -> None:
    component, root_of, version = TAKEN[kind]
    device = Migrated(tmp_path / "device", bench_of(kind, tmp_path))
    hands = device.hands()
    adopt(component, hands.boot, hands.component_dir, root_of(tmp_path / "root"))
    device.health.sick.add("1.1")

    device.assign(device.wish("1.1", "a-1"))
    device.live()

    assert device.server.outcomes() == [("a-1", Outcome.REVERTED, "health_failed")]
    assert device.entered == [A, B, A]
    report = sight.slot_reports(device.hands())
    assert (report[A].state, report[A].release, report[A].digest) == (SlotState.GOOD, version, None)
    assert report[B].state is not SlotState.GOOD


def grub_of_mender(tmp_path: Path) -> MenderGrubBench:
    (tmp_path / "board").mkdir()
    bench = mender_grub(tmp_path / "board")
    assert isinstance(bench, MenderGrubBench)
    return bench


def test_a_box_whose_grub_mender_switched_makes_its_first_update_and_its_first_revert(tmp_path: Path) -> None:
    bench = grub_of_mender(tmp_path)
    device = Migrated(tmp_path / "device", bench)
    hands = device.hands()
    assert adopt(MENDER_GRUB, hands.boot, hands.component_dir, menders(tmp_path / "root"))
    assert sight.slot_reports(hands)[A].release == "release-7"
    device.health.sick.add("1.1")

    for number, version in enumerate(("1.1", "1.2", "1.1"), 1):
        device.assign(device.wish(version, f"a-{number}"))
        device.live()

    assert [outcome for _, outcome, _ in device.server.outcomes()] == [
        Outcome.REVERTED,
        Outcome.COMMITTED,
        Outcome.REVERTED,
    ]
    assert device.entered == [A, B, A, B, A, B]
    assert {"mender_boot_part": "3", "upgrade_available": "0"}.items() <= bench.environment.read().items()


def agent_begins(settings: Settings, boot: BootControl, patch: pytest.MonkeyPatch) -> None:
    folder = settings.component_dir("rootfs")
    made = {"hands_of": SimpleNamespace(boot=boot, component_dir=folder), "uplink_of": None, "_desk": None}
    for name, each in made.items():
        patch.setattr(node, name, lambda *_, each=each: each)
    whose = SimpleNamespace(identity=SimpleNamespace(device="cam-1", hw="x86-box"))
    node._desks(settings, whose, None, "i-1", lambda within_s: within_s, None)  # type: ignore[arg-type]


def helper_begins(settings: Settings, boot: BootControl, patch: pytest.MonkeyPatch) -> None:
    folder = settings.component_dir("rootfs")
    made = {"estate_of": SimpleNamespace(boot=boot, folder=folder), "vault_of": SimpleNamespace(owner=lambda: None)}
    for name, each in {**made, "Steward": None}.items():
        patch.setattr(helper, name, lambda *_, each=each: each)
    helper.server_of(replace(settings, helper_socket=str(settings.state_dir / "socket"), agent_user=""))


@pytest.mark.parametrize("begins", [agent_begins, helper_begins])
@pytest.mark.parametrize("variables", ["mender", "surefoot"])
def test_agent_and_helper_take_over_what_another_agent_switched_by_grub_and_nothing_else(
    begins: Callable[[Settings, BootControl, pytest.MonkeyPatch], None],
    variables: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rootfs = ComponentSettings("image", "grub", variables, slot_a="/dev/sda2", slot_b="/dev/sda3")
    settings = Settings(state_dir=tmp_path, components={"rootfs": rootfs})
    settings.component_dir("rootfs").mkdir()

    begins(settings, grub_of_mender(tmp_path).open(), monkeypatch)

    assert adoption.is_done(settings.component_dir("rootfs")) is (variables == "mender")


@pytest.mark.parametrize("left", [{"upgrade_available": "1", "bootcount": "1"}, {"mender_boot_part": "3"}])
def test_a_box_whose_grub_waits_for_menders_verdict_or_restart_is_waited_for(
    left: dict[str, str], tmp_path: Path
) -> None:
    bench = grub_of_mender(tmp_path)
    bench.environment.change(left)
    before = [file.read_bytes() for file in bench.media]

    assert not adopt(MENDER_GRUB, bench.open(), tmp_path / "board", menders(tmp_path / "root"))

    assert [file.read_bytes() for file in bench.media] == before


@pytest.mark.parametrize(
    ("status", "mark"), [("ok", SlotState.GOOD), ("pending", SlotState.BAD), (None, SlotState.EMPTY)]
)
def test_a_slot_for_which_rauc_does_not_vouch_is_never_the_way_back(
    status: str | None, mark: SlotState, tmp_path: Path
) -> None:
    bench = bench_of("rauc", tmp_path)
    boot = bench.open()

    assert adopt(RAUC, boot, tmp_path / "board", raucs(tmp_path / "root", status))

    assert (boot.current(), boot.state(A), boot.state(B)) == (A, SlotState.GOOD, mark)
    order = (bench.medium.read() or {})["BOOT_ORDER"]
    assert order == ("system0 system1" if mark is SlotState.GOOD else "system0")


@pytest.mark.parametrize(
    "system", ["", "no sections at all\n", "[system]\nstatusfile=per-slot\n", SYSTEM.replace("/data/rauc", "x")]
)
def test_a_status_that_says_nothing_vouches_for_nothing_but_what_runs(system: str, tmp_path: Path) -> None:
    boot = bench_of("rauc", tmp_path).open()

    assert adopt(RAUC, boot, tmp_path / "board", raucs(tmp_path / "root", "ok", system))

    assert (boot.state(A), boot.state(B)) == (SlotState.GOOD, SlotState.EMPTY)
    assert releases(tmp_path / "board") == {}


def test_a_status_in_the_running_root_names_what_runs(tmp_path: Path) -> None:
    boot, root = bench_of("rauc", tmp_path).open(), raucs(tmp_path / "root", None, "[system]\ncompatible=camera\n")
    (root / "slot.raucs").write_text("[slot]\nbundle.version=2023.11\nstatus=ok\n")

    assert adopt(RAUC, boot, tmp_path / "board", root)

    assert releases(tmp_path / "board") == {A: "2023.11"}
    assert (boot.state(A), boot.state(B)) == (SlotState.GOOD, SlotState.EMPTY)


def test_an_update_that_rauc_has_installed_and_not_entered_is_waited_for(tmp_path: Path) -> None:
    bench = bench_of("rauc", tmp_path)
    env = {**(bench.medium.read() or {}), "BOOT_ORDER": "system1 system0"}
    bench.medium.write(env)

    assert not adopt(RAUC, bench.open(), tmp_path / "board", raucs(tmp_path / "root"))

    assert bench.medium.read() == env
    assert not (tmp_path / "board" / RECORD).exists()
    bench.enter()
    assert adopt(RAUC, bench.open(), tmp_path / "board", tmp_path / "root")
    assert releases(tmp_path / "board") == {A: "2024.03-1", B: "2024.02-7"}


def test_an_update_that_mender_has_not_committed_is_waited_for(tmp_path: Path) -> None:
    bench = bench_of("mender", tmp_path)
    env = {**(bench.medium.read() or {}), "upgrade_available": "1", "bootcount": "1"}
    bench.medium.write(env)

    assert not adopt(MENDER, bench.open(), tmp_path / "board", menders(tmp_path / "root"))

    assert bench.medium.read() == env


def test_it_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = bench_of("rauc", tmp_path).open()
    adopt(RAUC, boot, tmp_path / "board", raucs(tmp_path / "root"))
    boot.set_state(B, SlotState.GOOD)
    monkeypatch.setattr(adoption, "READERS", {"rauc": None})

    assert adopt(RAUC, boot, tmp_path / "board", tmp_path / "root")

    assert boot.state(B) is SlotState.GOOD


def test_an_environment_that_cannot_be_read_is_left_for_the_next_start(tmp_path: Path) -> None:
    bench = bench_of("rauc", tmp_path)
    bench.medium.path.write_bytes(bytes(0x2000))

    assert not adopt(RAUC, bench.open(), tmp_path / "board", raucs(tmp_path / "root"))


def test_where_nothing_can_be_written_the_next_start_tries_again(tmp_path: Path) -> None:
    boot, folder = bench_of("rauc", tmp_path).open(), tmp_path / "component"
    folder.write_bytes(b"no folder, so nothing can be put into it")

    assert not adopt(RAUC, boot, folder, raucs(tmp_path / "root"))

    folder.unlink()
    folder.mkdir()
    assert adopt(RAUC, boot, folder, tmp_path / "root")


def test_other_devices_have_nothing_to_adopt(tmp_path: Path) -> None:
    boot = bench_of("surefoot", tmp_path).open()

    assert not adopt(ComponentSettings("image", "uboot"), boot, tmp_path / "board", raucs(tmp_path / "root"))

    assert boot.state(A) is SlotState.EMPTY


@pytest.mark.parametrize(("kind", "variable"), [("rauc", "BOOT_ORDER"), ("mender", "mender_boot_part")])
def test_the_wrong_set_is_refused_with_the_name_of_the_right_one(kind: str, variable: str, tmp_path: Path) -> None:
    bench = bench_of(kind, tmp_path)
    boot = bench.open()
    assert isinstance(boot, UBoot)
    boot._variables = Surefoot()

    with pytest.raises(InstallFailed) as caught:
        boot.primary()

    assert f'It has {variable}: set boot_variables = "{kind}"' in caught.value.hint


def test_an_environment_of_two_agents_is_nobodys() -> None:
    assert whose({"BOOT_ORDER": "A B", "mender_boot_part": "2"}) is None
    assert whose({}) is None
