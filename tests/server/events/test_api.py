"""The event stream as a browser and curl see it, over a real listener."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from surefoot_server.access import service as access
from surefoot_server.access.roles import Role
from surefoot_server.app import create_app
from surefoot_server.audit import service as audit
from surefoot_server.events import streams as module
from surefoot_server.events.streams import Streams
from surefoot_server.listeners import Listener, Listeners, take_port
from tests.server.rig import NOW, Rig

WAIT_S = 10


@contextmanager
def serving(rig: Rig) -> Iterator[tuple[httpx.Client, Listeners, threading.Thread]]:
    with take_port("127.0.0.1", 0, "a test") as taken:
        made = Listeners([Listener(create_app(rig.state), taken)], on_stop=rig.state.streams.close)
        ready = threading.Event()
        thread = threading.Thread(target=made.serve, args=(ready.set,))
        thread.start()
        assert ready.wait(WAIT_S)
        headers = {"Authorization": f"Bearer {rig.token(Role.VIEWER)}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}", headers=headers) as client:
            yield client, made, thread
        made.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def act(rig: Rig, *names: str) -> None:
    for name in names:
        with rig.db.write() as session:
            audit.record(session, "alice", "cohort.create", f"cohort:{name}", {"expression": "all"}, NOW)


def events(lines: Iterator[str], count: int) -> list[dict[str, str]]:
    found = list[dict[str, str]]()
    event = dict[str, str]()
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
            continue
        if "data" in event:
            found.append(event)
        event = {}
        if len(found) == count:
            break
    return found


def test_a_stream_resumes_where_the_reader_left_it(rig: Rig) -> None:
    act(rig, "a", "b")
    with serving(rig) as (client, _, _):
        with client.stream("GET", "/api/v1/events", params={"after": 0}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            first = events(answer.iter_lines(), 1)[0]
        with client.stream("GET", "/api/v1/events", headers={"Last-Event-ID": first["id"]}) as answer:
            second = events(answer.iter_lines(), 1)[0]

    assert (json.loads(first["data"])["subject"], json.loads(second["data"])["subject"]) == ("cohort:a", "cohort:b")
    assert first["event"] == "audit"


def test_filters_are_taken_together(rig: Rig) -> None:
    rig.device("cam-1")
    rig.device("cam-2")
    query = {"after": 0, "device": "cam-2", "kind": ["audit", "alarm"]}
    with serving(rig) as (client, _, _), client.stream("GET", "/api/v1/events", params=query) as answer:
        found = events(answer.iter_lines(), 1)[0]

    assert json.loads(found["data"])["device"] == "cam-2"


def test_the_server_stops_within_three_seconds_with_streams_open(rig: Rig) -> None:
    with (
        serving(rig) as (client, listeners, thread),
        client.stream("GET", "/api/v1/events") as one,
        client.stream("GET", "/api/v1/events") as two,
    ):
        began = time.monotonic()
        listeners.stop()
        thread.join(WAIT_S)
        took_s = time.monotonic() - began
        ends = [list(stream.iter_lines()) for stream in (one, two)]

    assert took_s < 3
    assert all(lines[0] == "retry: 2000" for lines in ends)


def test_more_streams_than_allowed_are_told_to_come_later(rig: Rig) -> None:
    rig.state = dataclasses.replace(rig.state, streams=Streams(rig.state.streams.feed, 0))

    answer = rig.client(Role.VIEWER).get("/api/v1/events")

    assert (answer.status_code, answer.json()["kind"]) == (503, "busy")
    assert answer.headers["retry-after"]


def test_a_revoked_token_ends_its_stream(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(rig.state.streams, "_look_s", 0.01)
    with serving(rig) as (client, _, _), client.stream("GET", "/api/v1/events") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        with rig.db.write() as session:
            (row,) = access.tokens(session)
            access.revoke_token(session, row.id, "alice", NOW)
        rest = [line for line in lines if line.startswith("event")]

    assert rest == [] or len(rest) == 1


@pytest.mark.parametrize(
    ("given", "status"),
    [({"kind": "weather"}, 422), ({"after": -1}, 422), ({"after": 1 << 70}, 422), ({"rollout": "r" * 17}, 422)],
)
def test_a_filter_that_cannot_match_is_refused(rig: Rig, given: dict[str, str], status: int) -> None:
    assert rig.client(Role.VIEWER).get("/api/v1/events", params=given).status_code == status


def test_the_history_is_in_pages_the_newest_first_and_chosen_from(rig: Rig) -> None:
    act(rig, "a", "b", "c")
    rig.device("cam-1")
    with rig.db.write() as session:
        audit.record(session, "alice", "device.tags", "device:cam-1", {"tags": ["x"]}, NOW)
    client = rig.client(Role.VIEWER)

    first = client.get("/api/v1/events/history?kind=audit&limit=2")
    rest = client.get("/api/v1/events/history", params={"kind": "audit", "cursor": first.headers["Next-Cursor"]})
    of_device = client.get("/api/v1/events/history?device=cam-1").json()

    ids = [event["id"] for answer in (first, rest) for event in answer.json()]
    assert ids == sorted(ids, reverse=True)
    assert [event["subject"] for event in rest.json()][-3:] == ["cohort:c", "cohort:b", "cohort:a"]
    assert of_device[0]["detail"]["tags"] == ["x"]
    assert {event["device"] for event in of_device} == {"cam-1"}
    assert client.get("/api/v1/events/history?kind=verdict").json() == []
    assert client.get("/api/v1/events/history?kind=weather").status_code == 422
