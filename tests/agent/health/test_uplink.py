"""Can it still be updated? A real broker, a real link, a real HTTPS server; and what each policy makes of a failure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.downlink import Connected
from surefoot_agent.health.checks import Checks
from surefoot_agent.health.scene import Finding, Scene
from surefoot_agent.health.uplink import HELD, Policy, Uplink, window_s
from surefoot_agent.identity import Identity
from surefoot_agent.link import Link
from surefoot_agent.reach import Blame, Broken
from surefoot_shared.errors import Unreachable
from surefoot_shared.release import CheckKind, HealthCheck
from tests.agent.test_reach import answering
from tests.agent.trees import release
from tests.server.house import Device, House

NOWHERE = Identity("cam-1", "rpi5", "https://127.0.0.1:1", "127.0.0.1", 1, 5, Path("/k"), Path("/c"), Path("/ca"))
WORKED = {"uplink.held": 1.0}


def scene(baseline: dict[str, float] | None = None, before: bool = False) -> Scene:
    return Scene(None, None, {}, {}, tuple, baseline or {}, before=before)


def way(policy: Policy = Policy.BASELINE) -> Uplink:
    return Uplink(policy, 50.0, lambda: NOWHERE, lambda _: 0.0)


def failed(policy: Policy, blame: Blame, baseline: dict[str, float] | None = None) -> Finding:
    made = way(policy)
    check = made.check(None)
    assert check is not None
    return made._finding(check, scene(baseline), Broken("tcp", "It is away.", blame))


def test_what_worked_before_and_only_this_node_can_have_broken_decides() -> None:
    found = failed(Policy.BASELINE, Blame.OURS, WORKED)

    assert (found.good, found.counts) == (False, True)
    assert found.message == "It is away. It worked before the update"


@pytest.mark.parametrize("blame", [Blame.THEIRS, Blame.UNCLEAR])
def test_an_outage_of_the_server_is_told_and_decides_nothing(blame: Blame) -> None:
    found = failed(Policy.BASELINE, blame, WORKED)

    assert (found.good, found.counts) == (False, False)
    assert "the server's or the site's fault" in found.message


def test_what_did_not_work_before_decides_nothing() -> None:
    found = failed(Policy.BASELINE, Blame.OURS, {"uplink.held": 0.0})

    assert (found.good, found.counts) == (False, False)
    assert "did not work before" in found.message


@pytest.mark.parametrize("blame", list(Blame))
def test_a_device_that_requires_its_uplink_lets_every_failure_decide(blame: Blame) -> None:
    assert failed(Policy.REQUIRED, blame).counts


@pytest.mark.parametrize(
    ("policy", "own", "required"),
    [
        (Policy.BASELINE, None, True),
        (Policy.REQUIRED, None, True),
        (Policy.WANTED, None, False),
        (Policy.WANTED, True, False),
        (Policy.BASELINE, True, True),
        (Policy.REQUIRED, False, False),
    ],
)
def test_a_release_may_want_what_the_device_requires_and_never_the_other_way(
    policy: Policy, own: bool | None, required: bool
) -> None:
    named = None if own is None else HealthCheck("home", CheckKind.UPLINK, own, 7.0, 9.0)

    check = way(policy).check(named)

    assert check is not None
    assert (check.required, check.window_s) == (required, 50.0)
    assert (check.name, check.interval_s, check.timeout_s) == (("home", 7.0, 9.0) if named else ("uplink", 15.0, 20.0))


def test_a_device_without_a_policy_looks_at_nothing_though_a_release_asks() -> None:
    assert way(Policy.OFF).check(HealthCheck("home", CheckKind.UPLINK)) is None


@pytest.mark.parametrize(("configured", "guard", "window"), [(0, 180, 170), (60, 180, 60), (175, 180, 170), (0, 5, 1)])
def test_the_window_never_outlasts_the_guard(configured: float, guard: float, window: float) -> None:
    assert window_s(configured, guard) == window


class Nobody:
    """Ports of a device on which nothing runs."""

    def running(self) -> None:
        return None

    def endpoint(self) -> dict[str, str]:
        return {}


def checks(uplink: Uplink) -> Checks:
    return Checks(Nobody(), Nobody(), tuple, uplink=uplink)  # type: ignore[arg-type]  # what these looks need of them


def test_every_release_is_judged_by_the_devices_uplink_once() -> None:
    plain = checks(way()).suite(release({}, checks=(HealthCheck("process", CheckKind.PROCESS),)))
    named = checks(way()).suite(release({}, checks=(HealthCheck("home", CheckKind.UPLINK),)))

    assert [c.name for c in plain.checks] == ["process", "uplink"]
    assert [(c.name, c.kind) for c in named.checks] == [("home", CheckKind.UPLINK)]


def test_an_uplink_that_fails_in_the_baseline_excuses_nothing_a_device_requires() -> None:
    strict = checks(way(Policy.REQUIRED))
    manifest = release({}, checks=())
    baseline = strict.baseline(manifest)

    (result,) = strict.run(strict.suite(manifest), baseline)

    assert baseline.get("uplink.held") is None
    assert result.result.value == "fail"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with contextlib.ExitStack() as parts:
        yield House(tmp_path, "mosquitto", 5, parts)


def connected(house: House, url: str) -> tuple[Identity, Link]:
    key, identity = house.identity("cam-1")
    cam = Device("cam-1", key, identity)
    house.run(cam)
    cam.wait(Connected)
    return replace(identity, server_url=url.partition("/api")[0]), cam.link


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_whole_way_is_proved_by_handshake_round_trip_and_answer(house: House) -> None:
    with answering(house.pki, 403) as url:
        identity, link = connected(house, url)
        uplink = Uplink(Policy.BASELINE, 50.0, lambda: identity, link.round_trip)
        found = uplink.look(HealthCheck("uplink", CheckKind.UPLINK, timeout_s=20.0), scene())

    assert found.good, found.message
    assert found.measured[HELD] == 1.0
    assert "the broker acknowledged after" in found.message
    assert "artifacts answer 403" in found.message


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_broker_that_is_gone_or_a_server_that_is_broken_is_not_the_releases_fault(house: House) -> None:
    check = HealthCheck("uplink", CheckKind.UPLINK, timeout_s=20.0)
    with answering(house.pki, 503) as url:
        identity, link = connected(house, url)
        uplink = Uplink(Policy.BASELINE, 50.0, lambda: identity, link.round_trip)
        busy = uplink.look(check, scene(WORKED))
    house.broker.stop()
    gone = uplink.look(check, scene(WORKED))

    assert (busy.good, busy.counts, "answers 503" in busy.message) == (False, False, True)
    assert (gone.good, gone.counts, "refuses port" in gone.message) == (False, False, True)


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_credentials_that_cannot_be_loaded_are_the_new_slots_fault(house: House) -> None:
    with answering(house.pki, 403) as url:
        identity, link = connected(house, url)
        broken = replace(identity, cert_file=house.folder / "absent")
        uplink = Uplink(Policy.BASELINE, 50.0, lambda: broken, link.round_trip)
        found = uplink.look(HealthCheck("uplink", CheckKind.UPLINK, timeout_s=20.0), scene(WORKED))

    assert (found.good, found.counts) == (False, True)


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_link_that_is_not_connected_makes_no_round_trip(house: House) -> None:
    key, identity = house.identity("cam-1")
    cam = Device("cam-1", key, identity)

    with pytest.raises(Unreachable, match="Not connected"):
        cam.link.round_trip(1.0)
