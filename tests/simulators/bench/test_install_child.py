from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName
from surefoot_simulators.bench.install_child import install, main, memory_mib


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / "image").write_bytes(os.urandom(1 << 20))
    build_release(tmp_path / "image", Recipe("rootfs", "1", 1, hw=("x86-box",)), tmp_path / "release")
    for slot in "ab":
        (tmp_path / slot).write_bytes(bytes(1 << 21))
    return tmp_path / "release"


def test_one_install_writes_the_slot_and_says_what_it_took(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(release), str(tmp_path / "state"), str(tmp_path / "a"), str(tmp_path / "b")]) == 0

    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"fill_s", "seal_s", "before_mib", "peak_mib"}
    assert all(value > 0 for value in said.values())
    assert said["peak_mib"] >= said["before_mib"]
    assert (tmp_path / "b").read_bytes()[: 1 << 20] == (tmp_path / "image").read_bytes()
    assert (tmp_path / "state" / "slots" / "B.sealed").exists()


def test_a_folder_that_holds_no_blobs_is_refused(release: Path, tmp_path: Path) -> None:
    (release / "blobs").rename(release / "elsewhere")

    with pytest.raises(InstallFailed, match="no release folder"):
        install(release, tmp_path / "state", {SlotName.A: tmp_path / "a", SlotName.B: tmp_path / "b"})


def test_memory_is_that_of_this_process() -> None:
    assert 1 < memory_mib("VmRSS") <= memory_mib() + 1
