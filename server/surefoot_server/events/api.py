"""Events over HTTP: a stream of server-sent events that a browser and `curl -N` read alike, and what was, in pages.

Promises: an entry's number is the event's id, so a reader that comes back with Last-Event-ID misses nothing.
Whoever has a role in a scope is told of what is there alone; their reach is read anew as often as their permission.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from surefoot_server.access.guard import require
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.events.feed import Filter
from surefoot_server.events.models import Happening
from surefoot_server.events.streams import RETRY_MS, Item, as_text, document
from surefoot_server.paging import Page, pages
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/events", tags=["events"])
READER = require(Role.VIEWER, Over.ANYWHERE)
Viewer = Annotated[Principal, Depends(READER)]
MEDIA_TYPE = "text/event-stream"
MAX_ID = (1 << 63) - 1
OfRollout = Annotated[str | None, Query(max_length=16, description="Only of this rollout.")]
OfDevice = Annotated[str | None, Query(max_length=64, description="Only of this device.")]
Kinds = Annotated[list[Happening], Query(description="Only of these kinds.")]


class EventOut(BaseModel):
    """One entry of the feed, as the stream and webhooks give it; `detail` depends on its kind."""

    id: int
    at: datetime
    kind: Happening
    subject: str
    rollout: str | None
    device: str | None
    actor: str
    detail: dict[str, Any]


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def stream_events(
    request: Request,
    _who: Viewer,
    rollout: OfRollout = None,
    device: OfDevice = None,
    kind: Kinds = [],  # noqa: B006 - FastAPI copies it
    after: Annotated[
        int | None, Query(ge=0, le=MAX_ID, description="Begin after this entry; without it, from now on.")
    ] = None,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=MAX_ID, description="As `after`, sent by a browser that returns.")
    ] = None,
) -> StreamingResponse:
    """Follow what happens, as it happens."""
    streams = state_of(request).streams
    begin = after if last_event_id is None else last_event_id
    streams.check_room()
    return answer(streams.follow(begin, Filter(rollout, device, tuple(kind)), lambda: READER(request)))


@router.get("/history")
def history(
    request: Request,
    _who: Viewer,
    page: Annotated[Page, Depends(pages(100, 1000))],
    rollout: OfRollout = None,
    device: OfDevice = None,
    kind: Kinds = [],  # noqa: B006 - FastAPI copies it
) -> list[EventOut]:
    """What happened, the newest first, as far back as entries are kept (`events_keep`)."""
    wanted = Filter(rollout, device, tuple(kind))
    rows = state_of(request).streams.feed.newest(wanted, page.limit + 1, page.number)
    return [EventOut.model_validate(document(row)) for row in page.cut(rows, lambda each: each.id or 0)]


def answer(items: AsyncGenerator[Item], show: Callable[[Item], str] = as_text) -> StreamingResponse:
    """Send the items as they come, each as `show` writes it; call `check_room` first, while one can still refuse."""

    async def text() -> AsyncIterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        async with contextlib.aclosing(items):
            async for item in items:
                yield show(item)

    return StreamingResponse(text(), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
