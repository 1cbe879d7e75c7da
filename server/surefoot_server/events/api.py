"""The event stream over HTTP: server-sent events that a browser and `curl -N` read alike.

Promises: an entry's number is the event's id, so a reader that comes back with Last-Event-ID misses nothing.
Whoever has a role in a scope is told of what is there alone; their reach is read anew as often as their permission.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from surefoot_server.access.guard import require
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.events.feed import Filter
from surefoot_server.events.models import Happening
from surefoot_server.events.streams import RETRY_MS, Item, as_text
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/events", tags=["events"])
READER = require(Role.VIEWER, Over.ANYWHERE)
Viewer = Annotated[Principal, Depends(READER)]
MEDIA_TYPE = "text/event-stream"
MAX_ID = (1 << 63) - 1


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def stream_events(
    request: Request,
    _who: Viewer,
    rollout: Annotated[str | None, Query(max_length=16, description="Only of this rollout.")] = None,
    device: Annotated[str | None, Query(max_length=64, description="Only of this device.")] = None,
    kind: Annotated[list[Happening], Query(description="Only of these kinds.")] = [],  # noqa: B006 - FastAPI copies it
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


def answer(items: AsyncGenerator[Item], show: Callable[[Item], str] = as_text) -> StreamingResponse:
    """Send the items as they come, each as `show` writes it; call `check_room` first, while one can still refuse."""

    async def text() -> AsyncIterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        async with contextlib.aclosing(items):
            async for item in items:
                yield show(item)

    return StreamingResponse(text(), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
