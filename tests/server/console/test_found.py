"""The list of devices as a page shows it."""

from __future__ import annotations

import pytest

from surefoot_server.console import found
from surefoot_server.devices.search import Selection, Standing
from surefoot_shared.messages import EventKind
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import NOW, Rig, digest, event, hello, outcome, progress, runs


def read(rig: Rig, selection: Selection, after: str = "") -> found.Found:
    with rig.db.read() as session:
        return found.find(session, selection, after, NOW)


def test_each_component_says_what_runs_what_is_wanted_and_where_it_stands(rig: Rig) -> None:
    rig.device("cam-1", tags=["lab"])
    rig.release("app/1.0")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.0"),)), NOW)
    app = rig.assign("cam-1", rig.release("app/1.1"))
    rig.assign("cam-1", rig.release("model/3"))
    rig.events("cam-1", progress(app, 1, AttemptState.DOWNLOADING))

    (row,) = read(rig, Selection()).rows

    assert [(p.component, p.runs, p.wanted, p.state) for p in row.parts] == [
        ("app", "app/1.0", "app/1.1", "downloading"),
        ("model", "", "model/3", "offered"),
    ]
    assert (row.standing, row.tags) == ("online", ("lab",))
    assert "downloads" in row.parts[0].why


def test_what_no_release_here_is_is_named_by_its_component_and_digest(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("model/7", component="model"),)), NOW)

    (row,) = read(rig, Selection()).rows

    (part,) = row.parts
    assert part.runs == f"model/{digest('model/7')[:12]}…"


def test_an_ended_attempt_says_how_it_ended_and_since_when(rig: Rig) -> None:
    rig.device("cam-1")
    rig.events("cam-1", outcome(rig.assign("cam-1", rig.release("app/1.1")), 1, Outcome.REVERTED))

    (row,) = read(rig, Selection()).rows

    assert (row.parts[0].state, row.parts[0].since) == ("reverted", NOW)


def test_what_needs_a_person_is_in_the_row(rig: Rig) -> None:
    rig.device("cam-1")
    rig.events("cam-1", event("cam-1", 1, EventKind.SECURITY, reason="metadata_untrusted", message="Wrong."))

    assert read(rig, Selection()).rows[0].attention == "security"


def test_a_page_leads_to_the_next_one_and_the_last_to_none(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "PAGE", 2)
    for n in range(3):
        rig.device(f"cam-{n}")

    first = read(rig, Selection())
    last = read(rig, Selection(), first.after)

    assert ([r.id for r in first.rows], first.after) == (["cam-0", "cam-1"], "cam-1")
    assert ([r.id for r in last.rows], last.after) == (["cam-2"], "")


def test_a_cohort_that_cannot_be_read_is_a_problem_and_no_devices(rig: Rig) -> None:
    rig.device("cam-1")

    page = read(rig, Selection(cohort="hw =="))

    assert page.rows == ()
    assert page.problem is not None
    assert "column" in page.problem.message


def test_the_address_holds_all_that_was_asked() -> None:
    meant = Selection("cam 1", "tag('a&b')", Standing.ONLINE)

    assert found.address(meant, after="x") == "/devices?q=cam+1&cohort=tag%28%27a%26b%27%29&is=online&after=x"
    assert found.address(Selection()) == "/devices"


def test_a_revoked_device_stands_so_whatever_its_link_says(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    assert read(rig, Selection()).rows[0].standing == "revoked"
