"""The helper of the measurement is the real one: it proves what it is to write, and writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.status import SlotName
from surefoot_simulators.bench import halves
from surefoot_simulators.bench.install_child import install

MANIFEST = "manifest.json"


def build(folder: Path, name: str) -> Path:
    (folder / name).write_bytes(os.urandom(1 << 20))
    build_release(folder / name, Recipe("rootfs", "1", 1, hw=("x86-box",)), folder / f"{name}-release")
    return folder / f"{name}-release"


@pytest.fixture
def devices(tmp_path: Path) -> halves.Devices:
    for slot in "ab":
        (tmp_path / slot).write_bytes(bytes(1 << 21))
    return {SlotName.A: tmp_path / "a", SlotName.B: tmp_path / "b"}


def test_the_helper_writes_what_is_signed_and_nothing_else(tmp_path: Path, devices: halves.Devices) -> None:
    signed, other = build(tmp_path, "signed"), build(tmp_path, "other")
    halves.prepare(tmp_path, "rootfs", "x86-box", [(signed / MANIFEST).read_bytes()])

    with halves.helper(tmp_path, "rootfs", devices):
        with pytest.raises(UntrustedRelease):
            install(other, tmp_path, dict(devices), halves=True)
        took = install(signed, tmp_path, dict(devices), halves=True)

    assert took["fill_s"] > 0
    assert (tmp_path / "b").read_bytes()[: 1 << 20] == (tmp_path / "signed").read_bytes()
    assert not (tmp_path / "helper.sock").exists()
