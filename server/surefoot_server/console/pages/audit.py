"""The audit trail: who did what to which thing, found, checked against its chain, and written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from surefoot_server.access.guard import require_session
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.audit import search, service
from surefoot_server.audit.api import MEDIA_TYPES
from surefoot_server.audit.search import Form, Question
from surefoot_server.console import frame
from surefoot_server.console.navigation import Entry
from surefoot_server.languages.catalogue import N_
from surefoot_server.paging import GREATEST
from surefoot_server.state import state_of

router = APIRouter(include_in_schema=False)
ENTRY = Entry("/audit", N_("Audit"), "audit", "a")
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
PAGE = 50
PAGES = {
    "device": "/devices/{}",
    "rollout": "/rollouts/{}",
    "release": "/releases/{}",
    "cohort": "/devices?cohort={}",
    "drill": "/drills#{}",
}
"""Kind of an object → where it is shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter as it stands in the address; days are the reader's own."""

    object: str = ""
    actor: str = ""
    action: str = ""
    text: str = ""
    since: str = ""
    until: str = ""

    def question(self, zone: tzinfo) -> Question:
        """`until` includes its day. A day that is none is left out."""
        since, until = _day(self.since, zone), _day(self.until, zone)
        end = until + timedelta(days=1) if until else None
        return Question(self.object.strip(), self.actor, self.action, self.text.strip(), since, end)

    def address(self, path: str = "/audit", **more: str) -> str:
        parts = {name: getattr(self, name) for name in ("object", "actor", "action", "text", "since", "until")}
        given = {name: text for name, text in {**parts, **more}.items() if text}
        return f"{path}?{urlencode(given)}" if given else path


def asked(
    object: Annotated[str, Query(max_length=200)] = "",
    actor: Annotated[str, Query(max_length=200)] = "",
    action: Annotated[str, Query(max_length=80)] = "",
    text: Annotated[str, Query(max_length=200)] = "",
    since: Annotated[str, Query(max_length=10)] = "",
    until: Annotated[str, Query(max_length=10)] = "",
) -> Asked:
    return Asked(object, actor, action, text, since, until)


Filter = Annotated[Asked, Depends(asked)]


@router.get("/audit")
def audit(
    request: Request,
    who: Viewer,
    given: Filter,
    before: Annotated[int, Query(ge=0, le=GREATEST)] = 0,
    verify: bool = False,
) -> HTMLResponse:
    view, whole = frame.view_of(request, who), who.reach is None
    with state_of(request).db.read() as session:
        rows = search.page(session, given.question(view.zone), PAGE + 1, before or None)
        actors, actions = search.actors(session), search.actions(session)
        checked = service.verify(session) if verify and whole else None
    return frame.show(
        request,
        "audit.html",
        who,
        given=given,
        rows=rows[:PAGE],
        more=rows[PAGE - 1].seq if len(rows) > PAGE else 0,
        before=before,
        actors=actors,
        actions=_by_kind(actions),
        checked=checked,
        place=place_of,
    )


@router.get("/audit/export")
def export(request: Request, who: Viewer, given: Filter, form: Form = Form.CSV) -> StreamingResponse:
    """All that are found, the oldest first, with the hashes that chain them."""
    question = given.question(frame.view_of(request, who).zone)
    headers = {"Content-Disposition": f'attachment; filename="audit.{form.value}"'}
    pieces = search.written(state_of(request).db.read, question, form)
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[form], headers=headers)


def place_of(object: str) -> str:
    """Where a thing of the trail has its page; empty where it has none."""
    kind, _, name = object.partition(":")
    return PAGES[kind].format(_quoted(name)) if kind in PAGES and name else ""


def _by_kind(actions: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for action in actions:
        found.setdefault(action.partition(".")[0], []).append(action)
    return found


def _quoted(name: str) -> str:
    return urlencode({"": name})[1:].replace("%2F", "/").replace("+", "%20")


def _day(text: str, zone: tzinfo) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), zone) if text else None
    except ValueError:
        return None
