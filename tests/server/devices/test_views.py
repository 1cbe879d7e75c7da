"""What the API shows of a device."""

from __future__ import annotations

from surefoot_server.devices import repository
from surefoot_server.devices.views import assignment_out, detail_of, device_out, why_of
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import NOW, Rig, hello, later, outcome, progress, runs


def test_a_device_shows_what_runs_and_what_is_wanted(rig: Rig) -> None:
    rig.device("cam-1", tags=["lab"])
    rig.release("app/1.0")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.0"),)), NOW)
    rig.assign("cam-1", rig.release("app/1.1"))

    with rig.db.read() as session:
        shown = device_out(repository.views(session, [repository.device(session, "cam-1")])[0])

    assert (shown.components[0].release, shown.components[0].wanted) == ("app/1.0", "app/1.1")
    assert (shown.tags, shown.attributes, shown.online) == (["lab"], {"site": "hanoi"}, True)


def test_the_detail_holds_the_history_and_the_events(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", progress(row, 1, AttemptState.PROBATION), outcome(row, 2, Outcome.REVERTED, reason="x"))

    with rig.db.read() as session:
        shown = detail_of(session, "cam-1")

    assert [a.outcome for a in shown.assignments] == ["reverted"]
    assert [(e.seq, e.assignment) for e in shown.events] == [(2, row.id), (1, row.id)]


def test_an_assignment_is_shown_in_the_operators_words(rig: Rig) -> None:
    rig.device("cam-1")

    shown = assignment_out(rig.assign("cam-1", rig.release("app/1.1")))

    assert (shown.release, shown.state, shown.intent, shown.open) == ("app/1.1", "offered", "update", True)


def test_the_answer_to_why_comes_from_the_rows(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1"), NOW)
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", progress(row, 1, AttemptState.DOWNLOADING, progress=0.5))

    with rig.db.read() as session:
        view = repository.views(session, [repository.device(session, "cam-1")])[0]
        why = why_of(session, view, "app", later(1), None)

    assert (why.kind, why.wanted) == ("downloading", "app/1.1")
    assert why.sentence == "cam-1 runs nothing known and is wanted on app/1.1: it downloads, 50% done."
