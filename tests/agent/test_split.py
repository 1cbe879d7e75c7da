from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings, components_of
from surefoot_agent.hands import hands_of
from surefoot_agent.privileged.proxies import PrivilegedApplication, PrivilegedBoot, PrivilegedTrials
from surefoot_agent.privileged.root import PrivilegedRoot
from surefoot_agent.privileged.slots import PrivilegedImages, PrivilegedSlots
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.status import SlotName
from tests.agent.test_hands import identity
from tests.agent.trees import release


def test_with_a_helper_every_hand_that_changes_something_is_the_helpers(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", helper_dir=tmp_path / "helper", helper_socket="/nowhere.sock")

    (component,) = components_of(settings)

    hands = hands_of(settings, identity(tmp_path), component)

    assert isinstance(hands.boot, PrivilegedBoot)
    assert isinstance(hands.slots, PrivilegedSlots)
    assert isinstance(hands.application, PrivilegedApplication)
    assert isinstance(hands.trials, PrivilegedTrials)
    assert (hands.component_dir, hands.reports_dir) == (tmp_path / "helper/app", tmp_path / "state/reports")
    assert not (tmp_path / "helper").exists()  # looking is not making


def test_a_release_whose_proof_is_not_here_is_not_even_asked_for(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", helper_dir=tmp_path / "helper", helper_socket="/nowhere.sock")
    (component,) = components_of(settings)
    hands = hands_of(settings, identity(tmp_path), component)

    with pytest.raises(UntrustedRelease, match="is not here"):
        hands.slots.begin(SlotName.B, release({}), b"{}")


def test_a_root_filesystem_is_the_helpers_too(tmp_path: Path) -> None:
    root = ComponentSettings(kind="image", boot="uboot", slot_a="/dev/a", slot_b="/dev/b", metrics_port=9100)
    settings = Settings(
        state_dir=tmp_path, helper_dir=tmp_path, helper_socket="/nowhere.sock", components={"rootfs": root}
    )
    (component,) = components_of(settings)

    hands = hands_of(settings, identity(tmp_path), component)

    assert isinstance(hands.slots, PrivilegedImages)
    assert isinstance(hands.application, PrivilegedRoot)
    assert hands.application.endpoint() == {"metrics_port": "9100"}
    assert hands.reboots  # in a set it comes first
