"""The rollouts: all of them, and one with its ladder, its verdicts, what holds it up, what happened, and the acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session, col, select

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import acts, feed, fleet, frame, held_up, ladder
from surefoot_server.console.navigation import Entry
from surefoot_server.events.feed import Filter
from surefoot_server.languages.catalogue import N_, Language
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts import repository, verdicts, views
from surefoot_server.rollouts.models import Rollout
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_server.state import ServerState, state_of
from surefoot_shared.errors import NotFound
from surefoot_shared.status import RolloutState

router = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ROLLOUT))]
Anywhere = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR, Over.ROLLOUT))]
Reason = Annotated[str, Form(max_length=500)]
ENTRY = Entry("/rollouts", N_("Rollouts"), "rollouts", "r")
ROWS = 30
VERBS = ("approve", "reject", "pause", "resume", "halt", "revert", "retry", "cancel")


@router.get("/rollouts")
def list_rollouts(
    request: Request,
    who: Anywhere,
    state: Annotated[str, Query(max_length=32)] = "",
    before: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> HTMLResponse:
    query = select(Rollout).order_by(col(Rollout.number).desc()).limit(ROWS + 1)
    if state:
        query = query.where(Rollout.state == state)
    if before:
        query = query.where(Rollout.number < before)
    with state_of(request).db.read() as session:
        rows = list(session.exec(query))
        shown = [fleet.standing(session, row) for row in rows[:ROWS]]
    older = rows[ROWS - 1].number if len(rows) > ROWS else 0
    states = [each.value for each in RolloutState if each is not RolloutState.DRAFT]
    return frame.show(request, "rollouts.html", who, rollouts=shown, state=state, states=states, older=older)


@router.get("/rollouts/{rollout_id}")
def show(request: Request, who: Viewer, rollout_id: str) -> HTMLResponse:
    with state_of(request).db.read() as session:
        lines, newest = feed.last(session, Filter(rollout=rollout_id))
    return _shown(request, who, "rollout.html", rollout_id, lines=lines, newest=newest)


@router.get("/rollouts/{rollout_id}/now")
def now(request: Request, who: Viewer, rollout_id: str) -> HTMLResponse:
    """The part of the page that changes while one looks, without the frame."""
    return _shown(request, who, "rollout_now.html", rollout_id)


@router.get("/rollouts/{rollout_id}/devices")
def devices(
    request: Request, who: Viewer, rollout_id: str, is_: Annotated[str, Query(alias="is", max_length=32)] = ""
) -> HTMLResponse:
    """Everybody the rollout knows, with each one's reason."""
    with state_of(request).db.read() as session:
        row = repository.rollout(session, rollout_id)
        found = held_up.members(session, rollout_id, is_)
        return frame.show(request, "rollout_devices.html", who, rollout=row, found=found, only=is_)


@router.post("/rollouts/{rollout_id}/{verb}")
def act(
    request: Request,
    who: Operator,
    rollout_id: str,
    verb: str,
    reason: Reason = "",
    committed: Annotated[CommittedDevices, Form()] = CommittedDevices.KEEP,
) -> Response:
    """Do what the button says, through the service that the API uses."""
    _act(state_of(request), verb, committed)(rollout_id, who, reason)
    return RedirectResponse(f"/rollouts/{rollout_id}", 303)


def _act(state: ServerState, verb: str, committed: CommittedDevices) -> Callable[[str, Principal, str], None]:
    service, at = state.rollouts, db.utc_now()
    match verb:
        case "approve" | "reject":
            decide = service.approve if verb == "approve" else service.reject
            return lambda rollout_id, who, reason: decide(rollout_id, who, at, reason)
        case "halt":
            return lambda rollout_id, who, reason: service.halt(rollout_id, committed, who.name, at, reason)
        case "pause" | "resume" | "revert" | "retry" | "cancel":
            simple: Callable[..., None] = getattr(service, verb)
            return lambda rollout_id, who, reason: simple(rollout_id, who.name, at, reason)
    raise NotFound("not_found", f"A rollout has no act {verb!r}.")


def _shown(
    request: Request, who: Principal, template: str, rollout_id: str, lines: Sequence[feed.Line] = (), newest: int = 0
) -> HTMLResponse:
    state, say = state_of(request), frame.language_of(request)
    with state.db.read() as session:
        row = repository.rollout(session, rollout_id)
        now = db.utc_now()
        out = views.rollout_out(session, row, now, state.rollouts.unsignable_of(row, now))
        return frame.show(
            request,
            template,
            who,
            rollout=out,
            sentence=_sentence(say, out),
            rungs=ladder.of_views(policies.parse(row.policy), out.phases),
            acts=_acts(state, session, say, out),
            verdict=next(iter(verdicts.read(session, rollout_id, 1)), None),
            late=held_up.late(session, out),
            policy=row.policy,
            lines=lines,
            newest=newest,
        )


def _sentence(say: Language, out: views.RolloutOut) -> str:
    """How far it is, in one sentence."""
    said = say.gettext(
        "%(done)s of %(members)s devices run it",
        done=say.number(out.outcomes.get("committed", 0) - out.taken_back),
        members=say.number(out.members),
    )
    others = [f"{say.number(n)} {say.gettext(name)}" for name, n in sorted(out.outcomes.items()) if name != "committed"]
    if out.taken_back:
        others.append(say.gettext("%(count)s taken back", count=say.number(out.taken_back)))
    if out.waiting:
        others.append(say.gettext("%(count)s waiting", count=say.number(out.waiting)))
    return ", ".join([said, *others]) + "."


def _acts(state: ServerState, session: Session, say: Language, out: views.RolloutOut) -> list[acts.Act]:
    if "revert" not in out.acts:
        return acts.of(say, out)
    back = state.rollouts.revert_forecast(session, out.id)
    return acts.of(say, out, back.sentence(), len(back.held) + len(back.fetching))
