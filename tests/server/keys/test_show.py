"""`surefoot keys show` tells who signs what until when, without a passphrase."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from surefoot_server.keys.init import OFFLINE_LIFETIME, init_keys
from surefoot_server.keys.show import show_keys
from surefoot_shared.errors import ConfigError
from tests.server.keys.fleet import NOW, PASSPHRASE


def test_every_role_is_shown_with_its_threshold_and_expiry(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW, fleet="north", components=("app", "model"))

    shown = show_keys(tmp_path / "keys")

    roles = {(role.repository, role.role): role for role in shown.roles}
    assert (shown.fleet, shown.components, shown.one_of_one) == ("north", ("app", "model"), True)
    assert set(roles) == {
        *(("image", role) for role in ("root", "targets", "snapshot", "timestamp", "rel-app", "rel-model")),
        *(("director", role) for role in ("root", "targets", "snapshot", "timestamp", "halt")),
    }
    assert roles["image", "root"].expires == NOW + OFFLINE_LIFETIME
    assert roles["image", "rel-app"].expires == NOW + timedelta(days=180)
    assert roles["image", "timestamp"].expires is None
    assert {role.threshold for role in shown.roles} == {1}


def test_offline_keys_that_still_lie_beside_the_online_ones_are_named(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)
    (tmp_path / "keys" / "offline" / "image-root.pem").unlink()

    assert show_keys(tmp_path / "keys").offline == ("image-targets", "image-release", "director-root")


def test_a_folder_without_keys_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        show_keys(tmp_path)

    assert caught.value.kind == "key_missing"
