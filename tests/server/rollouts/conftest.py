"""The fleet that the tests of rollouts share."""

from __future__ import annotations

import pytest

from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet
from tests.server.rollouts.pairs import with_models


@pytest.fixture
def fleet(rig: Rig) -> Fleet:
    return Fleet(rig)


@pytest.fixture
def models(fleet: Fleet) -> Fleet:
    """The fleet, each device with an application and a model."""
    return with_models(fleet)
