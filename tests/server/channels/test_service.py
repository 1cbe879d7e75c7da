"""Promotion: what gets through, what does not, and the two reports."""

from __future__ import annotations

import pytest
from sqlmodel import col, select

from surefoot_server.audit.models import AuditEntry
from surefoot_server.channels import repository, service
from surefoot_server.devices.models import DeviceComponent
from surefoot_server.rollouts.triggers import Do
from surefoot_shared.errors import Conflict, Invalid, NotFound
from tests.server.rig import digest, later
from tests.server.rollouts.fleet import Fleet
from tests.server.rollouts.pairs import with_models

DEV, PRODUCTION = "hw == 'rpi5'", "hw == 'jetson-orin'"
REQUIRES = "{baked: {for: 1h, devices: 4}, tests: [night], acceptance: 1}"


@pytest.fixture
def two(fleet: Fleet) -> Fleet:
    """dev (four devices) and production, with app/1.0 in both."""
    with fleet.rig.db.write() as session:
        service.create(session, "dev", None, DEV, "", "", "ann", fleet.now)
        service.create(session, "production", "dev", PRODUCTION, "", REQUIRES, "ann", fleet.now)
        service.promote(session, "dev", "app/1.1", "ann", fleet.now)
    return fleet


def baked(fleet: Fleet) -> None:
    """app/1.1 on all of dev for an hour, its test passed, accepted by bob."""
    fleet.start(cohort=DEV, policy="phases: [{percent: 100, bake: 1s}]\n")
    fleet.commit(*fleet.wished())
    fleet.at += 3601
    with fleet.rig.db.write() as session:
        service.note(session, "dev", "app/1.1", "test", "night", True, "", "ci", fleet.now)
        service.note(session, "dev", "app/1.1", "acceptance", "", True, "looked", "bob", fleet.now)


def promote(fleet: Fleet, by: str = "ann") -> str:
    with fleet.rig.db.write() as session:
        return service.promote(session, "production", "app/1.1", by, fleet.now).digest


def test_what_was_baked_tested_and_accepted_moves_with_the_identical_digest(two: Fleet) -> None:
    baked(two)

    digest = promote(two)

    with two.rig.db.read() as session:
        (entry,) = repository.entries(session, "production")
        assert entry.digest == digest == repository.entries(session, "dev")[0].digest
        assert {a["requirement"]: a["met"] for a in entry.evidence} == dict.fromkeys(
            ("nothing stands against it", "identical digests", "baked", "test night", "accepted"), True
        )


def test_without_any_of_it_nothing_moves_and_the_first_lack_is_named(two: Fleet) -> None:
    with pytest.raises(Conflict, match=r"baked: 0 of 4 devices of dev ran it for 1 h .* and 2 more"):
        promote(two)


def test_the_person_who_promotes_is_no_second_pair_of_eyes(two: Fleet) -> None:
    baked(two)

    with pytest.raises(Conflict, match="accepted: 0 of 1 persons"):
        promote(two, "bob")


def test_a_test_that_fails_later_counts_and_one_that_passes_after_that_too(two: Fleet) -> None:
    baked(two)
    with two.rig.db.write() as session:
        service.note(session, "dev", "app/1.1", "test", "night", False, "", "ci", two.now)

    with pytest.raises(Conflict, match="test night: failed"):
        promote(two)

    with two.rig.db.write() as session:
        service.note(session, "dev", "app/1.1", "test", "night", True, "", "ci", two.now)
    assert promote(two)


def test_a_device_with_another_digest_under_the_same_name_stops_it(two: Fleet) -> None:
    baked(two)
    with two.rig.db.write() as session:
        part = session.get(DeviceComponent, (next(n for n in two.names if two.runs(n) == "app/1.1"), "app"))
        assert part is not None
        part.digest = "f" * 64
        session.add(part)

    with pytest.raises(Conflict, match="identical digests"):
        promote(two)


def test_what_is_advised_against_enters_no_channel_not_even_the_first(two: Fleet) -> None:
    two.rig.state.feedback.advise("app/1.2", Do.HALT, "remote code", "CVE-1", "ann", two.now)

    with two.rig.db.write() as session, pytest.raises(Conflict, match="advisory 1: remote code"):
        service.promote(session, "dev", "app/1.2", "ann", two.now)


def test_nothing_is_promoted_twice_or_accepted_where_it_is_not(two: Fleet) -> None:
    with two.rig.db.write() as session:
        with pytest.raises(Conflict, match="already is in dev"):
            service.promote(session, "dev", "app/1.1", "ann", two.now)
        with pytest.raises(Conflict, match="is not in production"):
            service.note(session, "production", "app/1.1", "acceptance", "", True, "", "bob", two.now)
        with pytest.raises(NotFound):
            service.promote(session, "moon", "app/1.1", "ann", two.now)


def test_a_set_is_promoted_whole_each_release_by_its_own_digest(fleet: Fleet) -> None:
    with_models(fleet)
    with fleet.rig.db.write() as session:
        service.create(session, "dev", None, DEV, "", "", "ann", fleet.now)

        rows = service.promote_set(session, "dev", ["app/1.1", "model/2.0"], "ann", fleet.now)

        assert [(row.release_id, row.digest) for row in rows] == [(r, digest(r)) for r in ("app/1.1", "model/2.0")]
        newest = session.exec(select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(1)).one()
        assert (newest.action, newest.detail["with"]) == ("release.promote", ["app/1.1"])


def test_of_a_set_that_is_not_ready_whole_nothing_is_promoted(two: Fleet) -> None:
    with_models(two)
    baked(two)

    with pytest.raises(Conflict, match=r"model/2\.0 is not ready for production"), two.rig.db.write() as session:
        service.promote_set(session, "production", ["app/1.1", "model/2.0"], "ann", two.now)

    with two.rig.db.read() as session:
        assert repository.entries(session, "production") == []


@pytest.mark.parametrize(
    ("name", "after", "cohort", "policy", "requires", "error"),
    [
        ("Big Name", None, "all", "", "", Invalid),
        ("dev", None, "all", "", "", Conflict),
        ("x", "moon", "all", "", "", NotFound),
        ("x", None, "hw ==", "", "", Invalid),
        ("x", None, "all", "gates: 1", "", Invalid),
        ("x", "dev", "all", "", "{scan: yes}", Invalid),
    ],
)
def test_a_channel_that_would_not_work_is_not_made(
    two: Fleet, name: str, after: str | None, cohort: str, policy: str, requires: str, error: type[Exception]
) -> None:
    with two.rig.db.write() as session, pytest.raises(error):
        service.create(session, name, after, cohort, policy, requires, "ann", two.now)


def test_parity_says_who_is_behind_and_what_to_do(two: Fleet) -> None:
    with two.rig.db.read() as session:
        dev, production = service.parity(session)

    assert (dev.release, dev.on_it, dev.devices, dev.others) == ("app/1.1", 0, 4, {"app/1.0": 4})
    assert dev.todo == f'surefoot rollout start --release app/1.1 --cohort "{DEV}"'
    assert (production.release, production.behind) == (None, 1)
    assert production.todo == "surefoot release promote app/1.1 --to production"


def test_cleanup_names_devices_outside_of_any_channel_and_releases_nobody_needs(two: Fleet) -> None:
    with two.rig.db.read() as session:
        young = service.cleanup(session, two.now)
        old = service.cleanup(session, later(31 * 86400))

    assert [(f.release, len(f.devices)) for f in young] == [("app/1.0", 12)]
    assert young[0].todo.startswith("surefoot rollout start --release app/1.1 --cohort \"device in ('cam-01', ")
    assert [f.release for f in old] == ["app/1.2", "app/1.0"]
    assert old[0].todo == "surefoot release withdraw app/1.2"
