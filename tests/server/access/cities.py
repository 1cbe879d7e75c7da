"""Two cities on one server, and people who have a role in one of them: nothing of the other may reach them."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.access import service as access
from surefoot_server.access.roles import Role, Scope
from surefoot_server.audit import service as audit
from surefoot_server.channels import service as channels
from surefoot_server.cohorts import service as cohorts
from surefoot_server.devices.models import Assignment, Device
from surefoot_server.drills.models import Drill, DrillDevice, DrillSchedule
from surefoot_server.feedback.models import Flag
from surefoot_server.rollouts.models import Rollout, RolloutDecision, RolloutMember, RolloutPhase
from surefoot_server.telemetry.models import TelemetrySeries
from tests.server.rig import NOW, Rig, digest

HA, SG = "cohort:hanoi", "cohort:saigon"
FOREIGN = ("sg-1", "eye/1.0", ">eye<", "saigon", '"r2"', '"d2"', '"d4"', '"d5"')
"""What only the other city has."""
DAY_S = 86_400.0


def build(rig: Rig) -> Rig:
    """Two cities, each with a device at a site, a release, rollout, channel, flag, drills and failed attempt."""
    rig.device("ha-1", "rpi5", ["ha", "lab"])
    rig.device("sg-1", "jetson-orin", ["sg", "saigon-roof", "lab"])
    rig.release("app/1.0", ["rpi5"])
    rig.release("eye/1.0", ["jetson-orin"])
    attempts = [rig.assign("ha-1", "app/1.0"), rig.assign("sg-1", "eye/1.0")]
    with rig.db.write() as session:
        for number, (row, site) in enumerate(zip(attempts, ("hanoi-west", "saigon-port"), strict=True), start=1):
            session.get_one(Device, row.device_id).attributes = {"site": site, "latitude": "1", "longitude": "2"}
            ended = session.get_one(Assignment, row.id)
            ended.open, ended.outcome, ended.reason, ended.ended_at = False, "failed", "no_space", db.utc_now()
            ended.message = f"no room on {row.device_id}"
            session.add(
                TelemetrySeries(
                    id=number,
                    device_id=row.device_id,
                    name="cpu_ratio",
                    component="",
                    digest="",
                    slot="",
                    last_at_ms=1,
                    last_value=number,
                )
            )
        session.flush()
        for name, tag in (("hanoi", "ha"), ("saigon", "sg")):
            cohorts.create(session, name, f"tag('{tag}')", "test", NOW)
        channels.create(session, "dev-hanoi", None, "hanoi", "", "", "test", NOW)
        channels.create(session, "dev-saigon", None, "saigon", "", "", "test", NOW)
        channels.promote(session, "dev-hanoi", "app/1.0", "test", NOW)
        channels.promote(session, "dev-saigon", "eye/1.0", "test", NOW)
        for n, (device, release, cohort) in enumerate(
            (("ha-1", "app/1.0", "hanoi"), ("sg-1", "eye/1.0", "saigon")), start=1
        ):
            row = Rollout(
                id=f"r{n}",
                number=n,
                release_id=release,
                component=release.split("/")[0],
                digest=digest(release),
                cohort=cohort,
                expression=f"tag('{cohort}')",
                policy="",
                salt="s",
                state="running",
                created_at=NOW,
                created_by="test",
            )
            session.add(row)
            session.flush()
            session.add(
                RolloutPhase(
                    rollout_id=row.id, index=0, name="all", selector="100 %", bake_s=1, members=1, state="offering"
                )
            )
            session.add(
                RolloutMember(rollout_id=row.id, device_id=device, hw="rpi5", reason="", standing="member", phase=0)
            )
            session.add(
                RolloutDecision(
                    rollout_id=row.id, at=NOW, actor="engine", kind="offer", reason=device, device_id=device
                )
            )
            session.add(Flag(at=NOW, by="test", source="operator", device_id=device, release_id=release, reason="odd"))
            _drills(session, n, device, cohort)
        _drill(session, 5, "tag('lab')", "ha-1", "sg-1")
    return rig


def _drills(session: Session, number: int, device: str, cohort: str) -> None:
    """One of the cohort, one of its device, and a schedule."""
    _drill(session, number, cohort, device)
    _drill(session, number + 2, "tag('lab')", device)
    session.add(
        DrillSchedule(
            id=number, component="app", cohort=cohort, every_s=DAY_S, limit_s=60, next_at=NOW, created_by="test"
        )
    )


def _drill(session: Session, number: int, cohort: str, *devices: str) -> None:
    row = Drill(
        id=f"d{number}",
        number=number,
        component="app",
        cohort=cohort,
        limit_s=60,
        state="passed",
        started_at=NOW,
        started_by="test",
    )
    session.add(row)
    session.flush()
    for device in devices:
        session.add(DrillDevice(drill_id=row.id, device_id=device, step="done"))
    audit.record(session, "test", "drill.passed", f"drill:{row.id}", {"devices": list(devices)}, NOW)


def client(rig: Rig, role: Role, *scopes: str) -> TestClient:
    made = rig.client(None)
    with rig.db.write() as session:
        name = f"t{len(access.tokens(session))}"
        parsed = [Scope.parse(s) for s in scopes]
        _, text = access.create_token(session, name, role, "test", NOW, scopes=parsed)
    made.headers["Authorization"] = f"Bearer {text}"
    return made


def signed_in(rig: Rig, role: Role, scope: str) -> TestClient:
    browser = rig.client(None)
    browser.headers["Accept"] = "text/html"
    browser.post("/sign-in", data={"token": client(rig, role, scope).headers["Authorization"].partition(" ")[2]})
    return browser
