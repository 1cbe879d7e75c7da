"""Every domain's tables in one place: importing this module fills `metadata`, which migrations are compared with."""

from __future__ import annotations

from sqlmodel import SQLModel

from surefoot_server.access import models as access
from surefoot_server.audit import models as audit
from surefoot_server.channels import models as channels
from surefoot_server.cohorts import models as cohorts
from surefoot_server.devices import models as devices
from surefoot_server.drills import models as drills
from surefoot_server.enrolment import models as enrolment
from surefoot_server.events import models as events
from surefoot_server.feedback import models as feedback
from surefoot_server.findings import models as findings
from surefoot_server.idempotency import models as idempotency
from surefoot_server.notify import models as notify
from surefoot_server.packs import models as packs
from surefoot_server.policies import models as policies
from surefoot_server.releases import models as releases
from surefoot_server.rollouts import models as rollouts
from surefoot_server.telemetry import models as telemetry

DOMAINS = (
    access,
    audit,
    channels,
    cohorts,
    devices,
    drills,
    enrolment,
    events,
    feedback,
    findings,
    idempotency,
    notify,
    packs,
    policies,
    releases,
    rollouts,
    telemetry,
)
metadata = SQLModel.metadata
