"""What is lent of the fleet's, a site's and a rollout's rate never adds up to more, and comes back by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from surefoot_server.devices.leave import SHARED_VALID_S, Rates
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.models import Assignment, Device
from surefoot_server.devices.terms import ANY_TIME, Terms
from surefoot_server.releases.models import Release
from surefoot_shared.status import AttemptState, Intent, Outcome
from tests.server.rig import NOW, Rig, later, outcome, progress

SITE = Rates(site_bytes_per_s=1_000_000)
OVER = SHARED_VALID_S + 11


def assigned(rig: Rig, *names: str, pool: int | None = None, rollout: str | None = None) -> list[Assignment]:
    return [ordered(rig, name, Terms(pool_bytes_per_s=pool), rollout) for name in names]


def ordered(rig: Rig, name: str, terms: Terms = ANY_TIME, rollout: str | None = None) -> Assignment:
    with rig.db.read() as session:
        known = session.get(Release, "app/1.1") is not None
    if not known:
        rig.release("app/1.1")
    rig.device(name)
    with rig.db.write() as session:
        return rig.devices.assign(session, name, "app", "app/1.1", Intent.UPDATE, rollout, None, NOW, terms)


def rate(rig: Rig, rates: Rates, row: Assignment, now: datetime = NOW) -> int | None:
    """What the device is lent now; None where it has to wait."""
    lending = Lending(rig.state.leases, "https://server/", rates)
    with rig.db.write() as session:
        own = session.get(Assignment, row.id)
        assert own is not None
        lease = lending.lend(session, own, 1e9, now)
    return lease.rate_bytes_per_s if lease else None


def moved(rig: Rig, name: str, attributes: dict[str, str]) -> None:
    with rig.db.write() as session:
        device = session.get(Device, name)
        assert device is not None
        device.attributes = attributes


def test_a_device_that_comes_later_waits_until_the_first_gives_back_what_is_not_its_part(rig: Rig) -> None:
    (first,) = assigned(rig, "cam-1")
    assert rate(rig, SITE, first) == 1_000_000
    second = ordered(rig, "cam-2")

    assert rate(rig, SITE, second) is None
    assert rate(rig, SITE, first, later(60)) == 500_000
    assert rate(rig, SITE, second, later(61)) == 500_000


def test_a_lease_that_is_not_renewed_comes_back_when_it_ends(rig: Rig) -> None:
    first, second = assigned(rig, "cam-1", "cam-2")
    for row in (first, second):
        assert rate(rig, SITE, row) == 500_000
    third = ordered(rig, "cam-3")

    assert rate(rig, SITE, third, NOW + timedelta(seconds=OVER - 2)) is None
    assert rate(rig, SITE, third, NOW + timedelta(seconds=OVER)) == 1_000_000 // 3


@pytest.mark.parametrize("how", ["staged", "failed"])
def test_whoever_has_fetched_everything_or_gave_up_gives_it_back_at_once(rig: Rig, how: str) -> None:
    first, second = assigned(rig, "cam-1", "cam-2")
    rate(rig, SITE, first)
    rate(rig, SITE, second)
    said = progress(first, 1, AttemptState.STAGED) if how == "staged" else outcome(first, 1, Outcome.FAILED)
    rig.events("cam-1", said)

    assert rate(rig, SITE, second) == 1_000_000


def test_the_fleet_and_each_site_have_a_rate_of_their_own(rig: Rig) -> None:
    here, there = assigned(rig, "cam-1", "cam-2")
    moved(rig, "cam-2", {"site": "hue"})
    rates = Rates(site_bytes_per_s=400_000, fleet_bytes_per_s=600_000)

    assert [rate(rig, rates, row) for row in (here, there)] == [300_000, 300_000]
    assert [rate(rig, SITE, row) for row in (here, there)] == [1_000_000, 1_000_000]


def test_the_devices_of_a_rollout_share_its_bandwidth_and_others_do_not(rig: Rig) -> None:
    mine = assigned(rig, "cam-1", "cam-2", pool=1_000_000, rollout="r1")
    other = ordered(rig, "cam-3")

    assert [rate(rig, Rates(), row) for row in mine] == [500_000, 500_000]
    assert rate(rig, Rates(), other) is None
    assert rig.read(other).lent_until is None  # it has no limit, and nothing of anybody's is lent to it


def test_a_device_without_a_site_shares_with_nobody(rig: Rig) -> None:
    (row,) = assigned(rig, "cam-1")
    moved(rig, "cam-1", {})

    assert rate(rig, SITE, row) == 1_000_000


@pytest.mark.slow
@pytest.mark.needs("initdb")
def test_on_postgresql_it_adds_up_as_well(postgresql_rig: Rig) -> None:
    first, second = assigned(postgresql_rig, "cam-1", "cam-2", pool=250_000_000_000, rollout=None)
    rates = Rates(site_bytes_per_s=1_000_000, fleet_bytes_per_s=800_000)

    assert [rate(postgresql_rig, rates, row) for row in (first, second)] == [400_000, 400_000]
