"""What is read ahead is what would be read one by one, and is not read again."""

from __future__ import annotations

from sqlalchemy import event

from surefoot_server.devices import ahead, repository
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, Rig, hello, runs


def test_what_is_wanted_of_many_is_what_is_wanted_of_each(rig: Rig) -> None:
    fleet = [rig.device(f"cam-{n}") for n in range(4)]
    rig.assign("cam-0", rig.release("app/1.1"))
    rig.assign("cam-0", rig.release("app/1.2"))
    rig.assign("cam-0", rig.release("model/3"))
    ended = rig.assign("cam-1", "app/1.1")
    with rig.db.write() as session:
        rig.devices.withdraw(session, ended.id, Outcome.CANCELLED, None, NOW)
    rig.assign("cam-2", "app/1.2")

    with rig.db.read() as session:
        found = ahead.wanted(session, fleet)
        one_by_one = {name: repository.wanted(session, name) for name in fleet}

    assert found == one_by_one
    assert [len(found[name]) for name in fleet] == [2, 0, 1, 0]


def test_devices_that_are_read_ahead_are_not_asked_for_again(rig: Rig) -> None:
    row = rig.assign(rig.device("cam-1"), rig.release("app/1.1"))
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.1"),)), NOW)
    statements: list[str] = []

    with rig.db.read() as session:
        ahead.devices(session, ["cam-1", "nobody"])
        ahead.assignments(session, [row.id])
        event.listen(rig.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        device = repository.device(session, "cam-1")
        repository.stream(session, "cam-1", "s1")
        repository.component(session, "cam-1", "app")
        repository.assignment(session, row.id)

    assert (device.id, statements) == ("cam-1", [])
