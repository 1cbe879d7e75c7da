"""The fleet that the tests of rollouts share."""

from __future__ import annotations

import pytest

from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet


@pytest.fixture
def fleet(rig: Rig) -> Fleet:
    return Fleet(rig)
