"""Finding releases."""

from __future__ import annotations

import pytest

from surefoot_server.releases import repository
from surefoot_shared.errors import NotFound
from tests.server.rig import NOW, Rig, hello, runs


def test_the_newest_of_each_component_comes_first(rig: Rig) -> None:
    for name in ("model/2", "app/1.1", "app/1.2"):
        rig.release(name)

    with rig.db.read() as session:
        assert [row.id for row in repository.newest_first(session)] == ["app/1.2", "app/1.1", "model/2"]
        assert [row.id for row in repository.newest_first(session, "model")] == ["model/2"]


def test_an_unknown_release_is_named(rig: Rig) -> None:
    with rig.db.read() as session, pytest.raises(NotFound, match=r"app/9\.9"):
        repository.get(session, "app/9.9")


def test_running_devices_are_counted_by_release(rig: Rig) -> None:
    rig.release("app/1.0")
    for name, release in (("cam-1", "app/1.0"), ("cam-2", "app/1.0"), ("cam-3", "app/unknown")):
        rig.device(name)
        with rig.db.write() as session:
            rig.devices.hello(session, hello(name, components=(runs(release),)), NOW)

    with rig.db.read() as session:
        assert repository.running(session) == {"app/1.0": 2}
