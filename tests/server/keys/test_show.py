"""`surefoot keys show` tells who signs what until when, without a passphrase."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from surefoot_server.keys.init import init_keys
from surefoot_server.keys.offline import OFFLINE_LIFETIME
from surefoot_server.keys.rotate import rotate
from surefoot_server.keys.show import show_keys
from surefoot_server.keys.signers import write_signers
from surefoot_shared.errors import ConfigError
from tests.server.keys.fleet import NOW, PASSPHRASE
from tests.server.keys.people import gathered


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


def test_days_left_are_counted_and_go_below_zero(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)

    (role,) = (r for r in show_keys(tmp_path / "keys").roles if (r.repository, r.role) == ("image", "rel-app"))

    assert role.days_left(NOW) == 180
    assert role.days_left(NOW + timedelta(days=181)) == -1


def test_what_lacks_signatures_is_shown_with_who_can_give_them(tmp_path: Path) -> None:
    people = gathered(tmp_path)
    rotate(people.main, ("image-root",), people.ring("first"), NOW)

    shown = show_keys(people.main)

    ((name, standing),) = shown.pending
    assert (name, standing.missing, shown.why) == ("image/2.root.json", 1, "New keys for image-root.")
    assert {"image-root-2", "image-root-3"} <= set(standing.may_sign)


def test_names_of_keys_and_thresholds_are_those_of_the_metadata(tmp_path: Path) -> None:
    people = gathered(tmp_path, "root=3/5")

    (role,) = (r for r in show_keys(people.main).roles if (r.repository, r.role) == ("director", "root"))

    assert (role.threshold, role.names[0], len(role.names)) == (3, "director-root-1", 5)
    assert show_keys(people.main).offline == ()


def test_signers_that_are_no_files_are_shown(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)
    write_signers(tmp_path / "keys", {"image-root": ("hsm:1?label=first",)})

    assert show_keys(tmp_path / "keys").signers == ("image-root: hsm:1?label=first",)
