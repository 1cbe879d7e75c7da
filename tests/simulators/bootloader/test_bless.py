"""The emulated systemd-bless-boot renames what Debian's own does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from surefoot_simulators import bootloader
from tests.simulators.bootloader.bless import Jail, jail

pytestmark = [pytest.mark.slow, pytest.mark.needs("chroot", "apt-get", "dpkg")]

EMULATION = Path(bootloader.__file__).parent / "tools/systemd-bless-boot"
OTHER = "surefoot-2-a.conf"
NAMES = ("surefoot-3-b+2-1.conf", "surefoot-3-b+0-3.conf", "surefoot-13-b+1-2.efi", "")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Jail:
    return jail(tmp_path_factory.mktemp("jail"))


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name or "not counted")
@pytest.mark.parametrize("verbs", [("good",), ("bad",), ("bad", "bad"), ("bad", "good"), ("good", "good")])
def test_both_end_alike_and_leave_the_same_names(name: str, verbs: tuple[str, ...], real: Jail, tmp_path: Path) -> None:
    shutil.copy(EMULATION, tmp_path)
    (tmp_path / "booted").write_text(name)
    for folder in (real.entries, tmp_path):
        for left in folder.glob("surefoot-*"):
            left.unlink()
        for file in {name, OTHER} - {""}:
            (folder / file).touch()

    ends = [real.bless(verb, name) for verb in verbs]
    ours = [subprocess.run([tmp_path / EMULATION.name, verb], check=False).returncode for verb in verbs]

    assert ours == ends
    assert {path.name for path in tmp_path.glob("surefoot-*")} == {path.name for path in real.entries.iterdir()}
