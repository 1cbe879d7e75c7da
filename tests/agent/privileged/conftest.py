from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent.privileged import steward
from tests.agent.privileged.image_rig import ImageRig, way_back_by
from tests.agent.privileged.rig import Rig


@pytest.fixture
def rig(tmp_path: Path, unsynced: None) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


@pytest.fixture
def board(tmp_path: Path, unsynced: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageRig]:
    monkeypatch.setattr(steward, "way_back", way_back_by(tmp_path / "reboot"))
    made = ImageRig(tmp_path)
    yield made
    made.close()
