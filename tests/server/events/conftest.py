"""The fleet of the tests of rollouts, and what the feed says of it."""

from __future__ import annotations

from tests.server.rollouts.conftest import fleet as fleet
