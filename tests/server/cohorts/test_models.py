"""The cohort row."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from surefoot_server.cohorts.models import Cohort
from tests.server.rig import NOW, Rig


def test_two_cohorts_never_have_one_name(rig: Rig) -> None:
    with rig.db.write() as session:
        session.add(Cohort(name="lab", expression="all", created_at=NOW, created_by="alice"))

    with pytest.raises(IntegrityError), rig.db.write() as session:
        session.add(Cohort(name="lab", expression="all", created_at=NOW, created_by="bob"))
