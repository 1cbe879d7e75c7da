"""Every domain's tables in one place: importing this module fills `metadata`, which migrations are compared with."""

from __future__ import annotations

from sqlmodel import SQLModel

from surefoot_server.access import models as access
from surefoot_server.audit import models as audit
from surefoot_server.cohorts import models as cohorts
from surefoot_server.devices import models as devices
from surefoot_server.enrolment import models as enrolment
from surefoot_server.releases import models as releases
from surefoot_server.rollouts import models as rollouts
from surefoot_server.telemetry import models as telemetry

DOMAINS = (access, audit, cohorts, devices, enrolment, releases, rollouts, telemetry)
metadata = SQLModel.metadata
