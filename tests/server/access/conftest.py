"""What tests of access share: two cities on one server."""

from __future__ import annotations

import pytest

from tests.server.access.cities import build
from tests.server.rig import Rig


@pytest.fixture
def cities(rig: Rig) -> Rig:
    return build(rig)
