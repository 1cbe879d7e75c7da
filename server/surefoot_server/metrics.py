"""`/metrics` and `/healthz`: the fleet, the rollouts and the server itself as Prometheus and a load balancer read them.

Promises: counts are read from the database when asked, so they survive restarts and are the same on every replica;
label values are words of the one vocabulary, ids of releases and reasons of ours, never text that a device chose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from pydantic import BaseModel
from sqlalchemy import func, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from surefoot_server import db, rollout_metrics, space
from surefoot_server.access.guard import open_route
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.rollouts.models import Rollout
from surefoot_server.state import ServerState, state_of
from surefoot_shared.status import Outcome, RolloutState

router = APIRouter(tags=["server"])
Open = Annotated[None, Depends(open_route("counts only, on the operators' listener"))]


class HealthOut(BaseModel):
    ok: bool
    problems: list[str]
    warnings: list[str] = []
    """What needs a person in time and stops nothing yet; signatures that expire."""


class FleetCollector(Collector):
    """Reads everything at scrape time."""

    def __init__(self, state: ServerState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        with self._state.db.read() as session:
            yield from _of_fleet(session)
            yield _of_rollouts(session)
            yield _of_outcomes(session)
            yield from rollout_metrics.collect(session, db.utc_now())
        yield from _of_server(self._state.counters())


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request, _open: Open) -> Response:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FleetCollector(state_of(request)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/healthz", responses={503: {"model": HealthOut}})
def healthz(request: Request, response: Response, _open: Open) -> HealthOut:
    """200 while the server can do its work, else 503 with what is wrong."""
    state = state_of(request)
    problems = problems_of(state)
    response.status_code = 503 if problems else 200
    return HealthOut(ok=not problems, problems=problems, warnings=_warnings(state))


def _warnings(state: ServerState) -> list[str]:
    try:
        return [each for each in (*state.warnings(), *(known.told for known in state.findings())) if each]
    except SQLAlchemyError:  # the database is among the problems, and an answer must come
        return []


def problems_of(state: ServerState) -> list[str]:
    found = [problem for problem in state.problems() if problem]
    try:
        with state.db.read() as session:
            session.connection().execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        found.append(f"The database does not answer: {type(error).__name__}.")
    room = space.problem(state.settings.data_dir, state.db.failed_for_space())
    return [*found, room] if room else found


def _of_fleet(session: Session) -> Iterator[Metric]:
    states = GaugeMetricFamily("surefoot_devices", "Devices by presence.", labels=["presence"])
    online = dict(session.exec(select(Device.online, func.count()).group_by(col(Device.online))).all())
    states.add_metric(["online"], online.get(True, 0))
    states.add_metric(["offline"], online.get(False, 0))
    yield states
    attention = GaugeMetricFamily("surefoot_devices_attention", "Devices that need a person.", labels=["kind"])
    kind = col(Device.attention)
    for name, count in session.exec(select(kind, func.count()).where(kind.is_not(None)).group_by(kind)):
        attention.add_metric([str(name)], count)
    yield attention
    running = GaugeMetricFamily(
        "surefoot_devices_running", "Components by running release and state.", labels=["component", "release", "state"]
    )
    columns = (col(DeviceComponent.component), col(DeviceComponent.release_id), col(DeviceComponent.state))
    for component, release, state, count in session.exec(select(*columns, func.count()).group_by(*columns)):
        running.add_metric([component, release or "unknown", state], count)
    yield running


def _of_rollouts(session: Session) -> Metric:
    family = GaugeMetricFamily("surefoot_rollouts", "Rollouts by state.", labels=["state"])
    counts = dict(session.exec(select(Rollout.state, func.count()).group_by(col(Rollout.state))).all())
    for state in RolloutState:
        family.add_metric([state.value], counts.get(state.value, 0))
    return family


def _of_outcomes(session: Session) -> Metric:
    family = CounterMetricFamily("surefoot_outcomes", "Attempts that ended, by outcome.", labels=["outcome"])
    ended = col(Assignment.outcome)
    query = select(ended, func.count()).where(ended.is_not(None)).group_by(ended)
    counts = dict(session.exec(query).all())
    for outcome in Outcome:
        family.add_metric([outcome.value], counts.get(outcome.value, 0))
    return family


def _of_server(counters: Mapping[str, float | Mapping[str, float]]) -> Iterator[Metric]:
    for name, value in sorted(counters.items()):
        family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        labels = [LABELS[name]] if name in LABELS else []
        made = family(f"surefoot_{name}", MEANINGS[name], labels=labels)
        numbers = value if isinstance(value, Mapping) else {"": value}
        for key, number in numbers.items():
            made.add_metric([key] if labels else [], number)
        yield made


LABELS = {"dropped_messages_total": "reason", "job_duration_s": "job", "metadata_days_left": "file"}
MEANINGS = {
    "scheduler_leader": "1 on the server that decides, of several on one database.",
    "telemetry_samples_total": "Samples of devices that are stored.",
    "broker_connected": "1 while the gateway is connected to the broker.",
    "delivery_waiting": "Devices that something is about to be said to.",
    "dropped_messages_total": "Messages of devices that were not taken, by reason.",
    "event_streams": "Event streams that are open.",
    "ingest_queue": "Messages of devices that wait for the writer.",
    "job_duration_s": "Seconds that the last run of a job took.",
    "metadata_days_left": "Days until what only offline keys can sign again expires.",
    "messages_handled_total": "Messages of devices that are stored.",
    "messages_received_total": "Messages of devices that came in.",
}
