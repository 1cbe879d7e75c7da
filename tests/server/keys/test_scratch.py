"""The scratch fleet of a rehearsal is a real one: what is right is installed, so that a refusal means something."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys.drill import _bundle_with_role
from surefoot_server.keys.scratch import Scratch
from surefoot_shared.errors import UntrustedRelease
from tests.server.keys.fleet import NOW


@pytest.fixture
def fleet(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path / "fleet", NOW)


def test_a_release_that_two_people_signed_is_installed(fleet: Scratch) -> None:
    made = fleet.built("1.1")
    fleet.online.accept_release(fleet.sign(made, "first", "second"), made.manifest)

    assert fleet.sees(fleet.bundle(made)) == "installs app/1.1"


def test_what_the_thief_builds_would_be_installed_if_it_were_signed(fleet: Scratch) -> None:
    made = fleet.built("1.1")
    whole, half = fleet.sign(made, "first", "second"), fleet.sign(made, "third")

    assert fleet.sees(_bundle_with_role(fleet, made, half, 3)) == "refuses the release (metadata_untrusted)"
    assert fleet.sees(_bundle_with_role(fleet, made, whole, 2)) == "refuses the bundle (metadata_rollback)"
    assert fleet.sees(_bundle_with_role(fleet, made, fleet.sign(made), 4)) == "installs app/1.1"


def test_nothing_assigned_is_nothing_installed(fleet: Scratch) -> None:
    assert fleet.sees(fleet.bundle()) == "installs nothing"


def test_a_halt_list_is_seen(fleet: Scratch) -> None:
    assert fleet.sees_halt(fleet.online.halt_list()) == "halts nothing"
    assert fleet.sees_halt(fleet.online.halt(["a" * 64], fleet.now)) == "halts 1"
    assert fleet.sees_halt(b"{}") == "refuses the halt list (metadata_untrusted)"


def test_what_was_committed_is_the_floor(fleet: Scratch) -> None:
    older, newer = fleet.released("1.0"), fleet.released("1.1")
    fleet.commits(fleet.bundle(newer))

    assert fleet.sees(fleet.bundle(older)) == "refuses the release (below_counter)"


def test_the_clock_is_the_scratch_fleets_own(fleet: Scratch) -> None:
    raw = fleet.bundle(fleet.released("1.1"))
    fleet.later(30)

    assert fleet.sees(raw) == "refuses the bundle (metadata_expired)"


def test_a_folder_can_be_opened_again(fleet: Scratch) -> None:
    again = Scratch(fleet.folder, NOW)

    assert again.passphrase == fleet.passphrase
    assert fleet.folder.joinpath("keys").exists()
    with pytest.raises(UntrustedRelease):
        again.online.accept_release(b"{}", again.built("1.1").manifest)
