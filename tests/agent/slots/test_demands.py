"""What a component's kind asks of a node is looked at before the first update needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.components import ComponentSettings
from surefoot_agent.finding import Finding
from surefoot_agent.slots import demands
from surefoot_agent.slots.rauc import Program


def image(a: Path, b: Path) -> ComponentSettings:
    return ComponentSettings("image", "grub", slot_a=str(a), slot_b=str(b), name="rootfs")


def only(found: tuple[Finding, ...]) -> Finding:
    (finding,) = found
    return finding


def test_a_directory_asks_for_nothing() -> None:
    assert demands.findings(ComponentSettings()) == ()


def test_two_devices_that_are_there_are_fine(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"")

    assert only(demands.findings(image(tmp_path / "a", tmp_path / "b"))).ok


def test_a_missing_device_is_named_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    found = only(demands.findings(image(tmp_path / "a", tmp_path / "b")))

    assert not found.ok
    assert found.message.startswith("slot_b is ")


def test_one_device_under_two_names_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").symlink_to("a")

    found = only(demands.findings(image(tmp_path / "a", tmp_path / "b")))

    assert not found.ok
    assert "the same device" in found.message


@pytest.mark.parametrize(
    ("modules", "ok"), [((), False), (("notes.txt",), False), (("single-file", "notes.txt"), True)]
)
def test_a_folder_must_hold_a_module_that_can_be_called(tmp_path: Path, modules: tuple[str, ...], ok: bool) -> None:
    for name in modules:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o644 if name.endswith(".txt") else 0o755)

    found = only(demands.findings(ComponentSettings("module", modules=tmp_path, name="deb")))

    assert found.ok is ok
    assert ok is ("single-file" in found.message)


@pytest.mark.parametrize(
    ("conf", "ok", "words"),
    [
        ("[system]\nactivate-installed=false\n", True, "leaves it to this agent"),
        ("[system]\ncompatible=x\n", False, "would enter"),
        ("nonsense\n", False, "cannot be read"),
    ],
)
def test_a_rauc_that_would_switch_by_itself_is_found(tmp_path: Path, conf: str, ok: bool, words: str) -> None:
    (tmp_path / "system.conf").write_text(conf)

    found = demands._rauc(ComponentSettings(), Program("/bin/true", tmp_path / "system.conf"))

    assert found.ok is ok
    assert words in found.message
