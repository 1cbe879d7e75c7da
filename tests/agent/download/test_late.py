"""Nothing of the HTTP library is loaded before the first download."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.late import LateDownloader, http_downloader
from surefoot_agent.download.pace import Pacing
from surefoot_agent.ports import Downloader
from surefoot_shared.errors import ConfigError
from tests.agent.download.sources import serving
from tests.agent.download.test_http import CONTENT, FILES, MANIFEST, B, Device, lease, wish
from tests.agent.trees import snapshot


def test_it_is_made_once_with_the_first_download_and_fills_the_slot(tmp_path: Path) -> None:
    device, made = Device(tmp_path), list[Downloader]()

    def make() -> Downloader:
        made.append(HttpDownloader(device.slots, None))
        return made[-1]

    late = LateDownloader(make)
    assert made == []
    with serving(CONTENT) as source:
        for _ in range(2):
            late.fill(wish(), MANIFEST, B, lease(source), lambda *_: None, lambda: False)

    assert snapshot(device.slots.path(B)) == FILES
    assert len(made) == 1


def test_an_authority_that_cannot_be_read_is_told_by_the_download(tmp_path: Path) -> None:
    device = Device(tmp_path)
    late = http_downloader(device.slots, tmp_path / "absent.pem", Pacing(), 1.0, 1.0)

    with serving(CONTENT) as source, pytest.raises(ConfigError, match="absent"):
        late.manifest(wish(), lease(source))


@pytest.mark.slow
def test_a_loaded_agent_holds_neither_the_metadata_library_nor_an_http_one() -> None:
    heavy = "tuf", "securesystemslib", "urllib3", "surefoot_agent.split", "surefoot_agent.trust_child"
    words = f"import sys, surefoot_agent.node; print([each for each in {heavy} if each in sys.modules])"

    done = subprocess.run([sys.executable, "-I", "-c", words], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"
