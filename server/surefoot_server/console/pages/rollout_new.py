"""The wizard: a form, the preview of what it would do, and the start of exactly that.

Promises: the preview is the plan of the service that starts it, with the same membership; looking starts nothing.
Whoever has a role in a scope plans and starts within it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session
from starlette.datastructures import FormData

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.orders import check_cohort, check_release
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role, ScopeKind
from surefoot_server.cohorts import service as cohorts
from surefoot_server.console import frame, refusals
from surefoot_server.console.wizard import Form
from surefoot_server.errors import status_of
from surefoot_server.releases import repository as releases
from surefoot_server.rollouts import forecasting, views
from surefoot_server.rollouts.creation import Planned
from surefoot_server.rollouts.forecast.answer import Forecast
from surefoot_server.rollouts.policy import MOST_COMPANIONS
from surefoot_server.state import state_of
from surefoot_shared.errors import SurefootError

router = APIRouter(include_in_schema=False)
FIELD_CHARACTERS = 64 * 1024
"""As the API allows for a policy."""
EXCLUDED_SHOWN = 50
FORECAST_RUNS, FORECAST_DEVICE_RUNS = 50, 20_000
"""With either kind of release, and devices times runs: half a second, since somebody waits for the page."""


async def _typed(request: Request) -> FormData:
    return await request.form()


Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR, Over.ORDER))]
Typed = Annotated[FormData, Depends(_typed)]


@router.get("/rollouts/new")
def form(request: Request, who: Operator, release: str = "", cohort: str = "") -> HTMLResponse:
    return _form(request, who, Form(release=release[:100], cohort=cohort[:4000] or _own(who)))


def _own(who: Principal) -> str:
    """The cohort to begin with: everybody, or the first that the person has a role over, since the rest is refused."""
    named = [g.scope.name for g in who.held() if g.scope.kind is ScopeKind.COHORT and g.role.includes(Role.OPERATOR)]
    return named[0] if who.reach is not None and named else "all"


@router.post("/rollouts/new")
def preview(request: Request, who: Operator, typed: Typed) -> HTMLResponse:
    """Show what would happen; changes nothing."""
    filled, state = _read(typed), state_of(request)
    if typed.get("back"):
        return _form(request, who, filled)
    try:
        _check(request, who, filled)
        with state.db.read() as session:
            planned = state.rollouts.plan(session, filled.order())
            soak_s = state.releases.soak_s(planned.digests) if planned.policy.limits.window else 0.0
            plan, foretold = views.plan_out(session, planned, db.utc_now(), soak_s), _foretold(session, planned)
    except SurefootError as error:
        return _form(request, who, filled, error)
    return frame.show(
        request, "rollout_preview.html", who, form=filled, plan=plan, shown=EXCLUDED_SHOWN, foretold=foretold
    )


def _foretold(session: Session, planned: Planned) -> Forecast | None:
    """What would come of it, by the rates that are assumed of any release; None where that cannot be played."""
    try:
        runs = min(FORECAST_RUNS, max(1, FORECAST_DEVICE_RUNS // max(1, planned.plan.total)))
        return forecasting.foretell(session, planned, "", runs, db.utc_now())
    except SurefootError:  # a shadow, a fleet that is too large, or what could not be started: that is said elsewhere
        return None


@router.post("/rollouts")
def start(request: Request, who: Operator, typed: Typed) -> Response:
    filled = _read(typed)
    try:
        _check(request, who, filled)
        rollout_id = state_of(request).rollouts.start(filled.order(), who.name, db.utc_now())
    except SurefootError as error:
        return _form(request, who, filled, error)
    return RedirectResponse(f"/rollouts/{rollout_id}", 303)


def _check(request: Request, who: Principal, filled: Form) -> None:
    """Raise NotAllowed where somebody with a role in a scope orders beyond it."""
    if who.reach is None:
        return
    state = state_of(request)
    with state.db.read(whole=True) as session:
        named, cohort = state.rollouts.meant(session, filled.order())
    for release in named:
        check_release(who, release)
    check_cohort(request, who, cohort)


def _form(request: Request, who: Principal, filled: Form, error: SurefootError | None = None) -> HTMLResponse:
    with state_of(request).db.read() as session:
        return frame.show(
            request,
            "rollout_new.html",
            who,
            status=status_of(error) if error else 200,
            form=filled,
            error=refusals.of(frame.language_of(request), error) if error else None,
            releases=[release.id for release in releases.newest_first(session)],
            cohorts=[(row.name, row.expression) for row in cohorts.all_cohorts(session)],
        )


def _read(typed: FormData) -> Form:
    """The fields that are there, cut to a length; a field that is missing keeps its default."""
    texts = {name: str(value)[:FIELD_CHARACTERS] for name, value in typed.items() if isinstance(value, str)}
    known = {field.name for field in fields(Form)} - {"lift_halt", "accept_blind", "also"}
    typed_in = {name: text for name, text in texts.items() if name in known}
    also = [str(value)[:100] for value in typed.getlist("also") if isinstance(value, str) and value]
    return Form(
        **typed_in,
        also=tuple(dict.fromkeys(also[: MOST_COMPANIONS + 1])),  # one too many is refused and not cut off
        lift_halt="lift_halt" in texts,
        accept_blind="accept_blind" in texts,
    )
