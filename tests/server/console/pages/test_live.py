"""The stream of an open page, over a real listener and with the session's cookie."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from surefoot_server.access.roles import Role
from tests.server.events.test_api import serving
from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet


def sign_in(rig: Rig, client: httpx.Client) -> None:
    del client.headers["Authorization"]
    client.post("/sign-in", data={"token": rig.token(Role.VIEWER)})


def until(lines: Iterator[str], text: str) -> list[str]:
    seen = []
    for line in lines:
        seen.append(line)
        if text in line:
            return seen
    raise AssertionError(f"the stream ended without {text!r}: {seen}")


def test_what_happens_to_a_rollout_reaches_its_page_as_a_line_and_a_returning_browser_misses_nothing(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start()
    with serving(rig) as (client, _, _):
        sign_in(rig, client)
        begin = rig.state.streams.feed.bounds()[1]
        with client.stream("GET", "/live", params={"rollout": rollout_id, "after": begin}) as answer:
            fleet.service.pause(rollout_id, "alice", fleet.now, "lunch <b>")
            seen = until(answer.iter_lines(), "event: news")
        with client.stream("GET", "/live", headers={"Last-Event-ID": str(begin)}) as answer:
            again = until(answer.iter_lines(), "id: ")

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert any("lunch &lt;b&gt;" in line for line in seen)
    assert again[-1] == f"id: {begin + 1}"


def test_nobody_follows_without_signing_in(rig: Rig) -> None:
    answer = rig.client(None).get("/live", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_bearer_token_opens_no_stream_of_pages(rig: Rig) -> None:
    assert rig.client(Role.ADMIN).get("/live", follow_redirects=False).status_code == 303
