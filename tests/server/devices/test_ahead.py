"""What is read ahead is what would be read one by one, and is not read again."""

from __future__ import annotations

from sqlalchemy import event

from surefoot_server.devices import ahead, repository
from surefoot_server.inbound import Inbound, hand_in
from surefoot_server.ingest import Ingest
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import NOW, Rig, hello, progress, runs


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
        found = ahead.orders(session, fleet)
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


def test_what_is_no_longer_wanted_within_the_transaction_is_not_found(rig: Rig) -> None:
    row = rig.assign(rig.device("cam-1"), rig.release("app/1.1"))

    with rig.db.write() as session:
        ahead.wishes(session, ["cam-1"])
        before = ahead.wanted(session, "cam-1")
        rig.devices.withdraw(session, row.id, Outcome.CANCELLED, None, NOW)
        after = ahead.wanted(session, "cam-1")

    assert ([each.id for each in before], after) == ([row.id], [])


def test_numbers_are_those_that_are_stored_and_rise_with_what_is_stored(rig: Rig) -> None:
    row = rig.assign(rig.device("cam-1"), rig.release("app/1.1"))
    rig.device("cam-2")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-2"), NOW)
    rig.events("cam-1", progress(row, 1, AttemptState.CHECKING), progress(row, 7, AttemptState.DOWNLOADING))

    with rig.db.write() as session:
        ahead.numbers(session, ["cam-1", "cam-2", "nobody"])
        found = [ahead.highest_seq(session, name, "s1") for name in ("cam-1", "cam-2", "nobody")]
        ahead.stored(session, "cam-1", "s1", 9)
        ahead.stored(session, "cam-1", "s1", 8)
        risen = ahead.highest_seq(session, "cam-1", "s1")

    assert (found, risen) == ([7, 0, 0], 9)


def test_a_batch_of_many_devices_is_stored_with_hardly_more_statements_than_one(rig: Rig) -> None:
    ingest, release = Ingest(rig.db, rig.devices, lambda _acks, _leases: None, lambda: NOW), rig.release("app/1.1")
    rows = {name: rig.assign(rig.device(name), release) for name in (f"cam-{n}" for n in range(50))}
    for name in rows:
        with rig.db.write() as session:
            rig.devices.hello(session, hello(name, components=(runs(None),)), NOW)
    statements: list[str] = []
    event.listen(rig.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    counts = []
    for seq, names in enumerate((["cam-0"], list(rows)), start=1):
        said = [
            Inbound(name, (progress(rows[name], seq, AttemptState.DOWNLOADING, progress=seq / 10),)) for name in names
        ]
        statements.clear()
        with ingest.batch() as taken:
            hand_in(said, taken)
        counts.append(len(statements))

    assert counts[1] <= counts[0] + 50 + 5  # one insert of the events of each device, and hardly anything else
    assert [rig.device_row(name).last_seen_at for name in rows] == [NOW] * 50
