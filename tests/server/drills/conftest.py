"""The fleet of the tests of rollouts."""

from __future__ import annotations

from tests.server.rollouts.conftest import fleet as fleet
