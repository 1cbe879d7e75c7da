"""Fixtures of the agent's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_agent.sight import Hands
from surefoot_shared.status import SlotName
from tests.agent.fakes import Device


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out fsync where the power that is cut is simulated: the machine under the tests keeps its own."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "sync", lambda: None)


@pytest.fixture
def device(tmp_path: Path, unsynced: None) -> Device:
    """At rest: it runs 1.0 from slot A. What begins otherwise makes its own."""
    made = Device(tmp_path)
    made.application.start(SlotName.A, made.manifests["1.0"])
    return made


@pytest.fixture
def hands(device: Device) -> Hands:
    return device.hands()
