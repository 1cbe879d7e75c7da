from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.boot import tryboot
from surefoot_agent.boot.boards import BOARDS, Met, demands
from surefoot_agent.boot.jetson import ATTRIBUTES, GUID
from surefoot_agent.boot.platform import MARKERS, NAMES
from surefoot_agent.boot.select import BOOTS
from surefoot_agent.components import ComponentSettings
from tests.agent.boot.benches import BENCHES

ROOT = Path(__file__).parents[3]


def put(root: Path, name: str, content: bytes) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def test_every_way_of_booting_by_a_restart_has_a_board() -> None:
    told = {word for board in BOARDS for word in board.setting.replace("`", "").split('"')[1::2]}

    assert {kind for kind, backend in BOOTS.items() if "image" in backend.kinds} <= told


def test_a_board_that_was_tested_on_anything_has_a_bench_of_its_kind() -> None:
    for board in BOARDS:
        if board.tested is not Met.NOT_AT_ALL:
            kind = board.setting.split('"')[-2]
            assert {"uboot": "surefoot"}.get(kind, kind) in BENCHES, board.name
            assert board.how


def test_what_an_integrator_must_mask_is_looked_at() -> None:
    for board in BOARDS:
        assert {f"{unit}.service" for unit in board.units} <= set(MARKERS)
        assert set(board.look) <= set(NAMES)


def test_pages_that_a_board_points_to_are_there() -> None:
    for text in (text for board in BOARDS for text in board.sets if "](" in text):
        target = text.partition("](")[2].partition(")")[0].partition("#")[0]
        assert (ROOT / "docs" / target).exists(), target


GOOD = {
    "tryboot": ("boot/firmware/autoboot.txt", tryboot.render(tryboot.PLAIN, 2, 3)),
    "jetson": (f"sys/firmware/efi/efivars/RootfsRedundancyLevel-{GUID}", ATTRIBUTES + bytes((1, 0, 0, 0))),
    "systemd-boot": ("boot/loader/loader.conf", b"timeout 3\ndefault surefoot-*\n"),
}
BAD = {
    "tryboot": tryboot.render(tryboot.PLAIN, 2, 3).rstrip(b"\n"),
    "jetson": ATTRIBUTES + bytes(4),
    "systemd-boot": b"default debian-*\n",
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_a_board_alone_asks_for_is_found(kind: str, tmp_path: Path) -> None:
    component = ComponentSettings("image", kind)
    name, content = GOOD[kind]

    missing, *_ = demands(component, tmp_path)
    put(tmp_path, name, BAD[kind])
    wrong, *_ = demands(component, tmp_path)
    put(tmp_path, name, content)
    right, *_ = demands(component, tmp_path)

    assert (missing.ok, wrong.ok, right.ok) == (False, False, True)
    assert missing.hint
    assert wrong.hint


def test_a_file_that_fat_lost_is_found(tmp_path: Path) -> None:
    put(tmp_path, GOOD["tryboot"][0], bytes(512))

    found, roots = demands(ComponentSettings("image", "tryboot"), tmp_path)

    assert not found.ok
    assert "does not try one of two partitions" in found.message
    assert (roots.name, roots.ok) == ("roots", False)


def test_a_board_that_asks_for_nothing_more_has_no_finding_of_its_own(tmp_path: Path) -> None:
    assert demands(ComponentSettings("image", "uboot"), tmp_path) == ()


def test_a_loader_conf_that_is_damaged_is_a_finding(tmp_path: Path) -> None:
    put(tmp_path, GOOD["systemd-boot"][0], b"default \xff\xfe\0\x80\n")

    (found,) = demands(ComponentSettings("image", "systemd-boot"), tmp_path)

    assert (found.name, found.ok) == ("loader", False)


@pytest.mark.parametrize(
    ("default", "fixed", "words"),
    [("surefoot-1-a.conf", False, "names one entry"), ("surefoot-*", True, "keeps a default entry")],
)
def test_a_default_that_never_lets_the_other_slot_in_is_found(
    tmp_path: Path, default: str, fixed: bool, words: str
) -> None:
    put(tmp_path, GOOD["systemd-boot"][0], f"default {default}\n".encode())
    if fixed:
        put(tmp_path, "sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", b"x")

    (found,) = demands(ComponentSettings("image", "systemd-boot"), tmp_path)

    assert not found.ok
    assert words in found.message


def test_a_file_that_the_pis_firmware_cannot_read_is_found(tmp_path: Path) -> None:
    put(tmp_path, *GOOD["tryboot"])
    put(
        tmp_path,
        "proc/self/mountinfo",
        b"1 0 8:1 / / rw - ext4 /dev/x rw\n2 1 8:2 / /boot/firmware rw - ext4 /dev/y rw\n",
    )

    found, roots = demands(ComponentSettings("image", "tryboot"), tmp_path)

    assert not found.ok
    assert "ext4" in found.message
    assert "cmdline.txt" in roots.message


def test_an_entry_that_the_firmware_passes_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = "BootOrder: 0001,000C\nBoot0001* Surefoot A\nBoot000C  Surefoot B\n"
    monkeypatch.setattr("surefoot_agent.boot.tool.run", lambda command: shown)

    (found,) = demands(ComponentSettings("image", "efi", boot_slots="'Surefoot A' 'Surefoot B'"))

    assert (found.ok, found.message) == (False, "The entry Surefoot B is not active: the firmware passes over it.")
    assert "efibootmgr -b 000C -a" in found.hint


@pytest.mark.parametrize(("order", "ok"), [("0001,0002", True), ("0001", False)])
def test_a_slot_that_bootorder_does_not_name_is_found(monkeypatch: pytest.MonkeyPatch, order: str, ok: bool) -> None:
    shown = f"BootCurrent: 0001\nBootOrder: {order}\nBoot0001* slot_a\nBoot0002* slot_b\n"
    monkeypatch.setattr("surefoot_agent.boot.tool.run", lambda command: shown)

    (found,) = demands(ComponentSettings("image", "efi"))

    assert found.ok is ok
    assert ok or "slot_b" in found.message
