from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.privileged.rig import Rig


@pytest.fixture
def rig(tmp_path: Path, unsynced: None) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()
