"""The fleet of the tests of rollouts, split into two channels by a tag's own attribute: its hardware."""

from __future__ import annotations

from tests.server.rollouts.conftest import fleet as fleet
