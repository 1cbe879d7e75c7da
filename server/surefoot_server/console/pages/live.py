"""The stream that keeps an open page fresh: the events of the API, as the parts of pages that they change.

Promises: opened by the session's cookie and ended with the session; an entry's number is the event's id, so a browser
that comes back misses nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import feed, frame
from surefoot_server.events.api import MAX_ID, answer
from surefoot_server.events.feed import Filter
from surefoot_server.events.streams import Item
from surefoot_server.state import state_of

router = APIRouter(include_in_schema=False)
READER = require_session(Role.VIEWER, Over.ANYWHERE)
Viewer = Annotated[Principal, Depends(READER)]


@router.get("/live")
async def live(
    request: Request,
    who: Viewer,
    rollout: Annotated[str, Query(max_length=16)] = "",
    device: Annotated[str, Query(max_length=64)] = "",
    after: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=MAX_ID)] = None,
) -> StreamingResponse:
    """Of one rollout or one device with its lines; of everything as the bare word that there is news."""
    streams, view = state_of(request).streams, frame.view_of(request, who)
    streams.check_room()
    begin = after if last_event_id is None else last_event_id
    show = feed.as_lines if rollout or device else feed.as_news

    def written(item: Item) -> str:
        return show(item, dataclasses.replace(view, now=db.utc_now()))

    return answer(streams.follow(begin, Filter(rollout or None, device or None), lambda: READER(request)), written)
