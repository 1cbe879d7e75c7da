"""Two hundred devices over the wire: a bad canary, a held phase, an approval, a halt, a revert, and a killed server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_server import db
from surefoot_server.backup import back_up, restore
from surefoot_server.config import Settings
from surefoot_simulators.fleet.crowd import Crowd
from surefoot_simulators.fleet.devices import Fate

pytestmark = [pytest.mark.slow, pytest.mark.needs("mosquitto"), pytest.mark.timeout(900)]

VERSIONS = {"1.0": 100, "1.1": 101, "1.2": 102}
GATE = """
gate:
  min_reported: 0.9
  max_wait: 20s
  on_inconclusive: hold
  objectives:
    - {metric: reverted, fail_if_surely_above: 5%, confidence: 0.9, tripwire: 2}
limits: {max_concurrent: 1000}
on_fail: {halt: true, committed_devices: keep}
"""
HEAD = "rollout: {strategy: canary}\nphases:\n"
LAST = "  - {name: all, percent: 100, bake: 1s}"
BAD = HEAD + "  - {name: canary, percent: 5, bake: 1s}\n" + LAST + GATE
GOOD = (
    HEAD
    + "  - {name: canary, percent: 10, bake: 1s}\n"
    + "  - {name: half, percent: 50, bake: 1s, approval: {by: operator, count: 1}}\n"
    + LAST
    + GATE
)
ALL = HEAD + LAST + GATE


@pytest.fixture
def open_crowd(tmp_path: Path) -> Iterator[object]:
    opened: list[Crowd] = []

    def make(count: int) -> Crowd:
        crowd = Crowd(tmp_path, count, VERSIONS)
        opened.append(crowd)
        crowd.start()
        return crowd

    yield make
    for crowd in opened:
        crowd.stop()


def start(crowd: Crowd, version: str, policy: str) -> str:
    path = crowd.folder / f"policy-{version}.yaml"
    path.write_text(policy)
    return crowd.operator.start_rollout(version, "everybody", path)


def reaches(crowd: Crowd, rollout: str, *states: str, limit_s: float = 180) -> str:
    seen: list[str] = []

    def there() -> bool:
        seen[:] = [crowd.state(rollout)]
        return seen[0] in states

    crowd.pump(there, limit_s, f"{rollout} to be {' or '.join(states)}")
    return seen[0]


def test_a_fleet_through_a_bad_canary_a_hold_an_approval_a_halt_a_revert_and_a_dead_server(open_crowd: object) -> None:
    crowd: Crowd = open_crowd(200)  # type: ignore[operator]
    somebody = crowd.person("second-person", "operator")

    crowd.fate_of = lambda _device, release: Fate.REVERTS if release == "app/1.1" else Fate.COMMITS
    bad = start(crowd, "1.1", BAD)
    assert reaches(crowd, bad, "failed", "halted") in ("failed", "halted")
    assert crowd.fleet.running("app/1.0") == 200
    assert 2 <= sum(d.seq > 0 for d in crowd.fleet.devices.values()) <= 10

    good = start(crowd, "1.2", GOOD)
    reaches(crowd, good, "held", "awaiting_approval")
    assert crowd.fleet.running("app/1.2") == 20

    crowd.fate_of = lambda device, _release: Fate.WAITS if int(device[-1]) < 5 else Fate.COMMITS
    crowd.act(good, "approve", {"reason": "canaries look good"}, somebody)
    crowd.pump(lambda: crowd.fleet.running("app/1.2") > 20, 60, "the second phase to begin")
    crowd.server.kill()
    crowd.server.start()
    crowd.come_back()
    reaches(crowd, good, "held")
    on_the_way = [d for d in crowd.fleet.devices.values() if d.attempt is not None]
    assert on_the_way

    took_s = crowd.halt_took_s(good)
    crowd.pump(lambda: all(d.attempt is None for d in on_the_way), 20, "those on the way to stop")
    reached = crowd.fleet.running("app/1.2")
    print(f"halt reached 200 devices after {took_s:.2f} s; {reached} run 1.2, {len(on_the_way)} were stopped")
    assert 20 < reached < 100

    crowd.fate_of = lambda *_: Fate.COMMITS
    crowd.act(good, "revert")
    reaches(crowd, good, "failed")
    assert crowd.fleet.running("app/1.0") == 200
    assert {d.seq > 0 for d in on_the_way} == {True}


def test_a_halt_reaches_every_one_of_a_thousand_devices(open_crowd: object) -> None:
    crowd: Crowd = open_crowd(1000)  # type: ignore[operator]
    crowd.fate_of = lambda *_: Fate.WAITS
    rollout = start(crowd, "1.2", ALL.replace("max_wait: 20s", "max_wait: 10m"))
    devices = crowd.fleet.devices.values()
    crowd.pump(lambda: sum(d.attempt is not None for d in devices) >= 1000, 240, "everybody to download")

    took_s = crowd.halt_took_s(rollout, limit_s=120)

    print(f"halt reached 1,000 devices {took_s:.2f} s after the operator's request; `make bench ONLY=halt` measures it")
    crowd.pump(lambda: not any(d.attempt for d in devices), 30, "everybody to stop")
    assert crowd.fleet.running("app/1.0") == 1000


def test_a_running_fleet_goes_on_after_a_restore(open_crowd: object, tmp_path: Path) -> None:
    crowd: Crowd = open_crowd(20)  # type: ignore[operator]
    settings = Settings(data_dir=crowd.server.data, keys_dir=crowd.operator.keys)
    first = start(crowd, "1.1", ALL)
    reaches(crowd, first, "succeeded")
    second = start(crowd, "1.2", ALL.replace("max_wait: 20s", "max_wait: 3m"))
    crowd.pump(lambda: any(d.attempt for d in crowd.fleet.devices.values()), 30, "somebody to begin")
    back_up(settings, tmp_path / "b.tar", db.utc_now())
    reaches(crowd, second, "succeeded")
    before = {d.name: d.seq for d in crowd.fleet.devices.values()}

    crowd.server.stop()
    crowd.server.data.rename(tmp_path / "gone")
    crowd.operator.keys.rename(tmp_path / "keys-gone")
    restore(settings, tmp_path / "b.tar")
    crowd.server.start()
    crowd.come_back()

    crowd.pump(lambda: crowd.ask("GET", "/telemetry/latest").body != [], 30, "telemetry to come in again")
    reaches(crowd, second, "succeeded")  # what its devices told of it went with the old server: it asks them again
    assert crowd.fleet.running("app/1.2") == 20
    assert all(d.seq >= before[d.name] for d in crowd.fleet.devices.values())
