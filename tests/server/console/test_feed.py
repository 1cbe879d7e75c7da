"""What happened, as lines of a page and as the stream that adds to them."""

from __future__ import annotations

from datetime import timezone

from surefoot_server.console import feed
from surefoot_server.console.frame import View
from surefoot_server.events.feed import Filter
from surefoot_server.events.models import FeedEvent, Happening
from surefoot_server.events.streams import Alive, Gap
from surefoot_server.languages.catalogue import language
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, Rig
from tests.server.rollouts.fleet import Fleet

VIEW = View(None, language("en"), timezone.utc, "", "/", "/", NOW)


def entry(kind: Happening, device: str | None = None, **detail: object) -> FeedEvent:
    return FeedEvent(
        id=7, at=NOW, kind=kind.value, subject="rollout:r1", rollout_id="r1", device_id=device, actor="engine",
        detail=detail,
    )  # fmt: skip


def test_each_kind_of_entry_is_a_line_with_its_own_word() -> None:
    said = [
        feed.line(entry(Happening.ROLLOUT, state="paused", reason="lunch")),
        feed.line(entry(Happening.PHASE, name="canary", state="baking", reason="all ended")),
        feed.line(entry(Happening.VERDICT, name="canary", verdict="pass", reason="fine")),
        feed.line(entry(Happening.OUTCOME, "cam-1", outcome="reverted", release="app/1.1", message="frozen")),
        feed.line(entry(Happening.DECISION, "cam-1", action="rollout.send_back", reason="taken back")),
        feed.line(entry(Happening.ALARM, "cam-1", alarm="security", message="wrong")),
    ]

    assert [(line.word, line.what, line.text) for line in said] == [
        ("paused", "", "lunch"),
        ("baking", "", "canary: all ended"),
        ("pass", "", "canary: fine"),
        ("reverted", "", "app/1.1: frozen"),
        ("", "send back", "taken back"),
        ("security", "", "wrong"),
    ]


def test_a_new_line_comes_first_and_then_the_word_that_there_is_news() -> None:
    text = feed.as_lines(entry(Happening.OUTCOME, "cam-1", outcome="committed"), VIEW)

    assert text.startswith('id: 7\ndata: <hx-partial hx-target="#lines" hx-swap="afterbegin">')
    assert text.endswith("\n\nevent: news\ndata: 1\n\n")
    assert all(row.startswith(("id: ", "data: ", "event: ", "")) for row in text.splitlines())


def test_no_text_of_a_device_ends_the_event_or_becomes_markup() -> None:
    evil = "x\n\nevent: news\ndata: <script>alert(1)</script>"

    text = feed.as_lines(entry(Happening.OUTCOME, "cam-1", outcome="reverted", message=evil), VIEW)

    assert "<script>" not in text
    assert text.count("\nevent: ") == 1
    assert len(text.split("\n\n")) == 3


def test_a_page_without_lines_hears_only_that_something_changed() -> None:
    assert feed.as_news(entry(Happening.OUTCOME, "cam-1"), VIEW) == "id: 7\nevent: news\ndata: 1\n\n"
    assert feed.as_news(entry(Happening.AUDIT), VIEW).startswith(":")
    assert feed.as_news(Alive(), VIEW) == feed.as_lines(Alive(), VIEW) == ": alive\n\n"
    assert feed.as_news(Gap(1, 9), VIEW) == feed.as_lines(Gap(1, 9), VIEW) == feed.NEWS


def test_an_opened_page_shows_the_last_lines_and_where_the_stream_goes_on(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start()
    first, *_ = fleet.in_phase(rollout_id, 0)
    fleet.end(Outcome.FAILED, first)

    with rig.db.read() as session:
        lines, newest = feed.last(session, Filter(rollout=rollout_id))
        nothing = feed.last(session, Filter(rollout="none"))

    assert (lines[0].device, lines[0].word) == (first, "failed")
    assert newest == rig.state.streams.feed.bounds()[1]
    assert nothing == ([], 0)
