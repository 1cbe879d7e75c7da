from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import readiness
from surefoot_agent.boot import cmdline
from surefoot_agent.boot.platform import MARKERS, NAMES, Answers, BootFacts, enabled, findings, observe
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.finding import Finding
from surefoot_agent.ports import BootTrial
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot.benches import BENCHES, UBootBench

PACKAGING = Path(__file__).parents[3] / "packaging"
A, B = SlotName.A, SlotName.B
ANSWERS = Answers(A, A, BootTrial(), {"A": SlotState.GOOD, "B": SlotState.GOOD})
FINE = BootFacts(ANSWERS, None, "", 2, "5", 5, {"watchdog0": "active"}, (), init="/sbin/init")


def failing(facts: BootFacts) -> set[str]:
    return {finding.name for finding in findings(facts) if not finding.ok}


def test_a_board_without_faults_has_only_good_findings() -> None:
    assert failing(FINE) == set()
    of_boards = {"autoboot", "roots", "redundancy", "loader", "order"}
    assert {finding.name for finding in findings(FINE)} == set(NAMES) - of_boards
    assert failing(replace(FINE, own=(Finding("loader", False, "It may choose another.", "Set it."),))) == {"loader"}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"answers": None, "problem": "no canary", "hint": "correct it"}, "boot"),
        ({"answers": replace(ANSWERS, primary=B)}, "boot"),
        ({"copies": 1}, "copies"),
        ({"copies": 0}, "copies"),
        ({"panic_argument": None, "panic_s": 0}, "panic"),
        ({"panic_argument": "0", "panic_s": None}, "panic"),
        ({"watchdogs": {}}, "watchdog"),
        ({"watchdogs": {"watchdog0": "inactive", "watchdog1": "inactive"}}, "watchdog"),
        ({"markers": ("rauc-mark-good.service",)}, "mark_good"),
        ({"init": None}, "init"),
    ],
)
def test_each_fault_has_its_own_finding_with_a_hint(change: Mapping[str, object], name: str) -> None:
    facts = replace(FINE, **change)  # type: ignore[arg-type]

    assert failing(facts) == {name}
    assert all(finding.hint for finding in findings(facts) if not finding.ok)


@pytest.mark.parametrize(
    "change",
    [
        {"answers": replace(ANSWERS, primary=B, trial=BootTrial(B, 3))},
        {"answers": replace(ANSWERS, trial=BootTrial(gave_up=B))},
        {"copies": None},
        {"panic_argument": "-1"},
        {"panic_argument": None, "panic_s": 30},
        {"watchdogs": {"watchdog0": None}},
        {"watchdogs": {"watchdog0": "inactive", "watchdog1": "active"}},
    ],
)
def test_what_is_no_fault_is_not_called_one(change: Mapping[str, object]) -> None:
    assert failing(replace(FINE, **change)) == set()  # type: ignore[arg-type]


def put(root: Path, name: str, text: str = "x\n") -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    put(root, "proc/cmdline", "quiet panic=0 panic=7 init=/sbin/init\n")
    put(root, "proc/sys/kernel/panic", "7\n")
    put(root, "sys/class/watchdog/watchdog0/state", "active\n")
    return root


@pytest.fixture
def component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComponentSettings:
    """A board with U-Boot: the environment and the kernel's command line are those of its bench."""
    (tmp_path / "board").mkdir()
    bench = BENCHES["surefoot"](tmp_path / "board")
    assert isinstance(bench, UBootBench)
    monkeypatch.setattr(cmdline.current_slot, "__defaults__", (bench.folder / "cmdline",))
    monkeypatch.setattr("surefoot_agent.boot.uboot.UBoot.__init__.__defaults__", (bench.folder / "cmdline",))
    return ComponentSettings("image", "uboot", boot_config=bench.folder / "fw_env.config", name="rootfs")


@pytest.mark.needs("fw_printenv")
def test_a_board_that_is_ready_is_found_ready_and_left_as_it_was(component: ComponentSettings, root: Path) -> None:
    medium = component.boot_config.with_name("bootstate")
    before = medium.read_bytes()

    facts = observe(component, root / "data/rootfs", root)

    assert failing(facts) == set()
    assert (facts.current, facts.copies, facts.panic_argument) == ("A", 2, "7")
    assert medium.read_bytes() == before
    assert not (root / "data").exists()


@pytest.mark.needs("fw_printenv")
def test_a_configuration_that_leads_elsewhere_is_found_with_what_to_do(
    component: ComponentSettings, root: Path
) -> None:
    component.boot_config.with_name("bootstate").write_bytes(bytes(0x2000))

    found = next(f for f in findings(observe(component, root / "data", root)) if f.name == "boot")

    assert not found.ok
    assert "no copy of it is whole" in found.message
    assert "fw_env.config" in found.hint


@pytest.mark.needs("fw_printenv")
@pytest.mark.parametrize("lines", [1, 2])
def test_copies_are_counted_where_boot_control_does_not_answer(
    component: ComponentSettings, root: Path, lines: int
) -> None:
    listed = component.boot_config.read_text().splitlines(keepends=True)
    component.boot_config.write_text("".join(listed[:lines]))
    component.boot_config.with_name("bootstate").write_bytes(bytes(0x2000))

    found = {f.name: f.ok for f in findings(observe(component, root / "data", root))}

    assert (found["boot"], found["copies"]) == (False, lines == 2)


def test_a_configuration_that_is_missing_lists_no_copy_and_says_so(root: Path) -> None:
    component = ComponentSettings("image", "uboot", boot_config=root / "absent", name="rootfs")

    found = {f.name: f for f in findings(observe(component, root / "data", root))}

    assert not found["copies"].ok
    assert "No copy" in found["copies"].message
    assert "fw_env.config" in found["copies"].hint


def test_a_script_that_is_missing_is_found(root: Path) -> None:
    component = ComponentSettings("image", "script", boot_script=str(root / "absent"), name="rootfs")

    facts = observe(component, root / "data/rootfs", root)

    assert failing(facts) == {"boot"}
    assert facts.copies is None
    assert not (root / "data").exists()


def test_a_machine_that_shows_nothing_is_not_called_ready(tmp_path: Path) -> None:
    component = ComponentSettings("image", "script", boot_script="/absent", name="rootfs")

    assert failing(observe(component, tmp_path, tmp_path / "nothing")) == {"boot", "panic", "init", "watchdog"}


@pytest.mark.parametrize("unit", MARKERS)
@pytest.mark.parametrize(
    "folder", ["etc/systemd/system/multi-user.target.wants", "run/systemd/generator.late/boot-complete.target.requires"]
)
def test_a_unit_that_would_call_a_slot_good_is_found(root: Path, unit: str, folder: str) -> None:
    put(root, f"{folder}/{unit}")

    assert enabled(root, MARKERS) == (unit,)


def test_a_unit_that_is_installed_but_not_wanted_is_none(root: Path) -> None:
    put(root, "usr/lib/systemd/system/rauc-mark-good.service")

    assert enabled(root, MARKERS) == ()


@pytest.mark.parametrize("how", ["link", "empty file", "for this run"])
def test_a_masked_unit_is_none(root: Path, how: str) -> None:
    unit = "nv_update_verifier.service"
    put(root, f"usr/lib/systemd/system/multi-user.target.wants/{unit}")
    mask = root / ("run" if how == "for this run" else "etc") / "systemd/system" / unit
    mask.parent.mkdir(parents=True, exist_ok=True)
    if how == "empty file":
        mask.touch()
    else:
        mask.symlink_to("/dev/null")

    assert enabled(root, MARKERS) == ()


def test_a_unit_that_our_drop_in_defers_is_none(root: Path) -> None:
    unit = "nv_update_verifier.service"
    put(root, f"usr/lib/systemd/system/multi-user.target.wants/{unit}")
    drop_in = put(root, f"etc/systemd/system/{unit}.d/surefoot.conf", "[Service]\nEnvironment=A=B\n")
    assert enabled(root, MARKERS) == (unit,)

    drop_in.write_text((PACKAGING / f"jetson/{unit}.d/surefoot.conf").read_text())
    assert enabled(root, MARKERS) == (unit,)  # the program that it asks is not there
    put(root, "usr/lib/surefoot/surefoot-defer-verify", "#!/bin/sh\n").chmod(0o755)

    assert enabled(root, MARKERS) == ()
    assert enabled(root, MARKERS, Path("/var/lib/surefoot/rootfs")) == ()
    assert enabled(root, MARKERS, Path("/data/surefoot/rootfs")) == (unit,)  # it asks about a folder of nobody


def test_an_empty_copy_of_grubs_environment_is_none(root: Path) -> None:
    first = put(root, "boot/surefoot0", "# GRUB Environment Block\n" + "#" * 999)
    second = put(root, "boot/surefoot1")
    component = ComponentSettings("image", "grub", boot_files=f"{first} {second}", name="rootfs")

    assert observe(component, root / "data/rootfs", root).copies == 1


def test_a_board_whose_bootloader_alone_counts_is_told_of_a_watchdog_that_starts_late(root: Path) -> None:
    late = next(finding for finding in findings(replace(FINE, early=False)) if finding.name == "watchdog")

    assert late.ok
    assert "watchdog.open_timeout" in late.message


@pytest.mark.needs("fw_printenv")
def test_check_asks_the_bootloader_and_not_a_link_where_a_restart_switches(
    component: ComponentSettings, tmp_path: Path
) -> None:
    seen = readiness.observe(Settings(state_dir=tmp_path / "state"), component)

    named = {finding.name: finding for finding in readiness.judge(seen)}

    assert named["boot"].ok, named["boot"]
    assert "current" not in named
    assert (seen.current, seen.states) == ("A", {"A": "empty", "B": "empty"})
