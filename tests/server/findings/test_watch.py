"""What is said without being asked is looked up once a minute."""

from __future__ import annotations

from datetime import datetime

from surefoot_server.findings.watch import Watch
from tests.server.findings.bills import REQUESTS, importer, record, with_bill
from tests.server.rig import later
from tests.server.rollouts.fleet import Fleet


def test_a_concern_is_told_within_a_minute_and_not_looked_for_more_often(fleet: Fleet) -> None:
    at = [0.0]

    def clock() -> datetime:
        return later(at[0])

    watch = Watch(fleet.rig.db, clock)
    before = watch.concerns()
    with_bill(fleet.rig, "app/1.0", REQUESTS)
    importer(fleet.rig).take([record()], "all.zip", "ann", fleet.now)

    at[0] = 59
    soon = watch.concerns()
    at[0] = 61

    assert (before, soon) == ([], [])
    assert [known.told[:40] for known in watch.concerns()] == ["12 devices run app/1.0, which has GHSA-1"]
