"""A release with a whole life behind it: bill, provenance, channel, test, waiver, a rollout in two phases, a flag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_server.channels import service as channels
from surefoot_server.findings import service as findings
from tests.server.findings.bills import REQUESTS, bill, importer, make, publish, record, statement
from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet

RELEASE = "app/2.0"


@pytest.fixture
def fleet(rig: Rig) -> Fleet:
    return Fleet(rig)


@pytest.fixture
def told(fleet: Fleet, tmp_path: Path) -> Fleet:
    rig = fleet.rig
    row = publish(rig, make(rig, tmp_path, bill(REQUESTS), "2.0"))
    importer(rig).take([record(aliases=["CVE-2026-1"])], "all.zip", "ann", fleet.now)
    with rig.db.write() as session:
        findings.attest(session, rig.state.blobs, RELEASE, json.dumps(statement(row.digest)).encode(), "ci", fleet.now)
        findings.waive(session, RELEASE, "CVE-2026-1", "not | reachable", None, "bob", fleet.now)
        channels.create(session, "dev", None, "hw == 'rpi5'", "", "sbom: true", "ann", fleet.now)
        channels.promote(session, "dev", RELEASE, "ann", fleet.now)
        channels.note(session, "dev", RELEASE, "test", "night", True, "log 42", "ci", fleet.now)
    fleet.start(RELEASE, "hw == 'rpi5'", "phases: [{percent: 50, bake: 1s}, {percent: 100, bake: 1s}]")
    fleet.commit(*fleet.in_phase("r1", 0))
    fleet.tick(30)
    rig.state.feedback.flag_release(RELEASE, "the line is mirrored", "eve", "operator", fleet.now)
    return fleet
