"""The hands of a component are the adapters that its kind and its boot control name, set as the settings say."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent.boot.select import BOOTS
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings, components_of
from surefoot_agent.hands import MADE_OF, hands_of, uplink_of
from surefoot_agent.health.uplink import Policy
from surefoot_agent.identity import Identity
from surefoot_agent.sight import Hands
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.slots.select import KINDS
from surefoot_server.pki.ca import create_ca
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName


def identity(folder: Path) -> Identity:
    ca = folder / "ca.pem"
    ca.write_bytes(create_ca(folder / "ca", "fleet", datetime.now(timezone.utc)).pem)
    return Identity("cam-17", "rpi5", "https://localhost:1", "localhost", 1, 5, folder / "k", folder / "c", ca)


def hands(settings: Settings) -> Hands:
    (component,) = components_of(settings)
    return hands_of(settings, identity(settings.state_dir), component)


def test_the_reserve_of_the_settings_reaches_the_disk_check(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, reserve_bytes=1 << 40)
    made = hands(settings)

    with pytest.raises(InstallFailed, match="free"):
        made.slots.room(1, 1, SlotName.B)


def test_trial_limits_and_folders_come_from_the_settings(tmp_path: Path) -> None:
    made = hands(Settings(state_dir=tmp_path, guard_budget_s=42.0, max_starts=7))

    assert (made.guard_budget_s, made.max_starts) == (42.0, 7)
    assert made.component_dir == tmp_path / "app"
    assert made.reports_dir == tmp_path / "reports"


def test_a_component_has_its_own_folder_limits_and_adapters(tmp_path: Path) -> None:
    told = {"app": ComponentSettings(), "model": ComponentSettings(max_starts=9)}
    settings = Settings(state_dir=tmp_path, components=told)

    own = identity(tmp_path)
    app, model = (hands_of(settings, own, component) for component in components_of(settings))

    assert (app.component_dir, model.component_dir) == (tmp_path / "app", tmp_path / "model")
    assert (app.max_starts, model.max_starts) == (3, 9)
    assert isinstance(model.boot, SymlinkBoot)
    assert isinstance(model.slots, DirectorySlots)


def test_every_kind_of_slot_can_be_started_and_switched() -> None:
    assert set(MADE_OF) == set(KINDS)
    assert {kind for backend in BOOTS.values() for kind in backend.kinds} == set(KINDS)


def test_the_policy_and_the_window_of_the_uplink_come_from_the_settings(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, guard_budget_s=60.0, uplink="required")
    here, (component,) = identity(tmp_path), components_of(settings)

    made = uplink_of(settings, component, lambda: here, lambda timeout_s: 0.0)

    assert (made.policy, made.window_s) == (Policy.REQUIRED, 50.0)
