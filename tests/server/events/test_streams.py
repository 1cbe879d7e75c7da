"""A reader of a stream misses nothing, is told of holes, and ends when it must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from surefoot_server.audit import service as audit
from surefoot_server.events import streams as module
from surefoot_server.events.feed import Filter
from surefoot_server.events.models import FeedEvent
from surefoot_server.events.streams import Alive, Gap, Item, Streams, as_text
from surefoot_shared.errors import NotAllowed, Unreachable
from tests.server.rig import NOW, Rig

WAIT_S = 10


@pytest.fixture
def streams(rig: Rig) -> Streams:
    return rig.state.streams


def act(rig: Rig, *names: str) -> None:
    for name in names:
        with rig.db.write() as session:
            audit.record(session, "alice", "cohort.create", f"cohort:{name}", {"expression": "all"}, NOW)


async def take(items: AsyncGenerator[Item], count: int) -> list[Item]:
    return [await asyncio.wait_for(anext(items), WAIT_S) for _ in range(count)]


def named(items: list[Item]) -> list[str]:
    return [item.subject if isinstance(item, FeedEvent) else type(item).__name__ for item in items]


def test_a_reader_that_names_its_place_gets_everything_after_it(rig: Rig, streams: Streams) -> None:
    act(rig, "a", "b", "c")
    oldest, _ = streams.feed.bounds()

    assert named(asyncio.run(take(streams.follow(oldest), 2))) == ["cohort:b", "cohort:c"]


def test_a_reader_without_a_place_gets_what_happens_from_now_on(rig: Rig, streams: Streams) -> None:
    act(rig, "a")

    async def read() -> list[Item]:
        items = streams.follow(None)
        first = asyncio.ensure_future(take(items, 2))
        while not len(streams):
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)  # it has read its place by now, or it does so before it looks for news
        await asyncio.to_thread(act, rig, "b", "c")
        return await first

    assert named(asyncio.run(read())) == ["cohort:b", "cohort:c"]


def test_a_reader_gets_only_what_it_wants(rig: Rig, streams: Streams) -> None:
    rig.device("cam-1")
    rig.device("cam-2")

    (item,) = asyncio.run(take(streams.follow(0, Filter(device="cam-2")), 1))

    assert named([item]) == ["device:cam-2"]


@pytest.mark.parametrize("place", [0, 10_000])
def test_a_place_that_is_not_kept_is_told_as_a_gap(
    rig: Rig, streams: Streams, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(rig, "a", "b", "c")
    monkeypatch.setattr(streams.feed, "_keep", 2)
    streams.feed.forget_old()
    oldest, newest = streams.feed.bounds()

    assert asyncio.run(take(streams.follow(place), 1)) == [Gap(oldest, newest)]
    if place == 0:
        assert named(asyncio.run(take(streams.follow(place), 3))) == ["Gap", "cohort:b", "cohort:c"]


def test_an_empty_feed_has_no_gap_at_its_beginning(rig: Rig, streams: Streams) -> None:
    async def read() -> list[Item]:
        items = streams.follow(0)
        first = asyncio.ensure_future(take(items, 1))
        await asyncio.to_thread(act, rig, "a")
        return await first

    assert named(asyncio.run(read())) == ["cohort:a"]


def test_a_quiet_stream_says_that_it_is_alive_and_looks_at_its_reader(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(streams, "_look_s", 0.01)
    looks = iter([True, True, False])

    def allowed() -> None:
        if not next(looks):
            raise NotAllowed("not_signed_in", "The token was revoked.")

    async def read() -> list[Item]:
        return [item async for item in streams.follow(None, allowed=allowed)]

    assert asyncio.run(read()) == [Alive(), Alive()]
    assert len(streams) == 0


def test_a_stream_that_is_never_quiet_looks_at_its_reader_by_time(rig: Rig) -> None:
    passed = iter(range(0, 10_000, 4))  # four seconds between two looks at the clock
    streams = Streams(rig.state.streams.feed, 1, clock=lambda: float(next(passed)))
    act(rig, *(f"c{n}" for n in range(20)))
    asked = []

    def allowed() -> None:
        asked.append(True)
        if len(asked) == 2:
            raise NotAllowed("not_signed_in", "The token was revoked.")

    async def read() -> list[Item]:
        return [item async for item in streams.follow(0, allowed=allowed)]

    got = asyncio.run(asyncio.wait_for(read(), WAIT_S))

    assert named(got) == [f"cohort:c{n}" for n in range(len(got))]
    assert (len(asked), 0 < len(got) < 20, len(streams)) == (2, True, 0)


def test_closing_ends_every_stream_at_once(streams: Streams) -> None:
    async def read() -> list[Item]:
        return [item async for item in streams.follow(None)]

    async def close() -> list[list[Item]]:
        readers = [asyncio.ensure_future(read()) for _ in range(3)]
        while len(streams) < 3:
            await asyncio.sleep(0)
        streams.close()
        return await asyncio.wait_for(asyncio.gather(*readers), WAIT_S)

    assert asyncio.run(close()) == [[], [], []]


def test_no_more_streams_are_open_than_allowed_and_a_place_is_given_back(rig: Rig) -> None:
    streams = Streams(rig.state.streams.feed, 1)
    act(rig, "a")

    async def read() -> list[Item]:
        first = streams.follow(0)
        await take(first, 1)
        with pytest.raises(Unreachable) as refused:
            streams.check_room()
        assert refused.value.kind == "busy"
        await first.aclose()
        return await take(streams.follow(0), 1)

    assert named(asyncio.run(read())) == ["cohort:a"]


def test_more_news_than_a_page_come_whole(rig: Rig, streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    act(rig, *(f"c{n}" for n in range(7)))
    monkeypatch.setattr(module, "PAGE", 3)
    after = streams.feed.after
    monkeypatch.setattr(streams.feed, "after", lambda at, wanted: after(at, wanted, 3))

    assert named(asyncio.run(take(streams.follow(0), 7))) == [f"cohort:c{n}" for n in range(7)]


def test_items_are_written_as_server_sent_events() -> None:
    row = FeedEvent(id=7, at=NOW, kind="flag", subject="device:cam-1", detail={"reason": "line\nbreak"})

    text = as_text(row)

    assert text.startswith("id: 7\nevent: flag\ndata: {")
    assert text.endswith("}\n\n")
    assert text.count("\n") == 4, "a line break in a reason must not end the event"
    assert as_text(Alive()) == ": alive\n\n"
    assert as_text(Gap(3, 9)) == 'event: gap\ndata: {"oldest": 3, "newest": 9}\n\n'
