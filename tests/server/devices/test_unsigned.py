"""What could not be signed is noted for orders that the device cannot have, and for no other."""

from __future__ import annotations

from surefoot_server.devices import repository, unsigned
from surefoot_shared import wire
from surefoot_shared.messages import MetadataVersions
from surefoot_shared.status import AttemptState
from tests.server.rig import Rig, progress


def test_an_order_that_was_begun_is_not_noted(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", progress(row, 1, AttemptState.CHECKING))

    with rig.db.write() as session:
        unsigned.note(session, "cam-1", "no key")

    assert rig.read(row).unsigned is None


def test_an_order_that_the_device_holds_is_not_noted_and_a_younger_one_is(rig: Rig) -> None:
    rig.device("cam-1")
    old, new = rig.assign("cam-1", rig.release("app/1.1")), rig.assign("cam-1", rig.release("model/1.0"))
    with rig.db.write() as session:
        from_hello = MetadataVersions(timestamp=old.seq + 1)
        device = session.merge(rig.device_row("cam-1"))
        device.director_versions = wire.to_json(from_hello)  # type: ignore[assignment]  # a dataclass becomes an object

    with rig.db.write() as session:
        unsigned.note(session, "cam-1", "no key")

    assert rig.read(old).unsigned is None
    assert rig.read(new).unsigned == ("no key" if new.seq > old.seq + 1 else None)


def test_once_told_nothing_is_noted_any_more(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    with rig.db.write() as session:
        unsigned.note(session, "cam-1", "no key")
    with rig.db.write() as session:
        before = unsigned.known(repository.wanted(session, "cam-1"))
        unsigned.clear(session, "cam-1")

    with rig.db.read() as session:
        assert (before, unsigned.known(repository.wanted(session, "cam-1"))) == (True, False)
    assert rig.read(row).unsigned is None
