"""A component added later is a rotation: in force at once, or when enough people have signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys.component import add_components
from surefoot_server.keys.cosign import cosign
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.offline import delegated_components, read_targets
from surefoot_server.keys.signers import KeyRing
from surefoot_shared.errors import Conflict
from tests.server.keys.fleet import NOW, PASSPHRASE, Fleet
from tests.server.keys.people import gathered


def test_with_every_key_here_it_is_in_force_at_once(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)

    files, added = add_components(fleet.keys, KeyRing(fleet.keys, PASSPHRASE), NOW, ("app", "model"))

    assert added == ("model",)
    assert set(files) == {"repository/image/1.rel-model.json", "repository/image/2.targets.json"}
    assert fleet.start_server().components() == ("app", "model")


def test_below_the_threshold_it_waits_for_the_others(tmp_path: Path) -> None:
    people = gathered(tmp_path)

    files, _ = add_components(people.main, people.ring("first"), NOW, ("model",))

    assert files == ("pending/rotation.json",)
    assert set(delegated_components(read_targets(KeyFolder(people.main)))) == {"app"}
    assert cosign(people.main / "pending" / "rotation.json", people.main, people.ring("third")).in_force
    assert Fleet.serving(people.main, tmp_path / "data").components() == ("app", "model")


def test_what_is_there_already_is_a_conflict(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)

    with pytest.raises(Conflict):
        add_components(fleet.keys, KeyRing(fleet.keys, PASSPHRASE), NOW, ("app",))
