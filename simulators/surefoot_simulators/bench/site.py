"""One real server and a few real devices for a measurement, made of the demonstration's parts and stopped at the end.

Promises: server, broker, agents, guards and applications are the real programs; everything lies in the folder given and
nothing runs afterwards. `update` returns what the server stored of each device's attempt. Raises Unreachable where the
site does not come up or an update does not end in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import Conflict, Unreachable
from surefoot_simulators.camera.tree import write_camera_tree, write_recipe
from surefoot_simulators.demo.fleet import HARDWARE, Fleet
from surefoot_simulators.demo.server import CommandFailed, Operator, Ports, Server

POLICY = """\
rollout: {strategy: canary}
phases:
  - {name: all, percent: 100, min_devices: 1, bake: 1s}
gate:
  min_reported: 1.0
  max_wait: 10m
  on_inconclusive: hold
  objectives:
    - {metric: reverted, fail_if_surely_above: 2%, confidence: 0.9, tripwire: 1}
limits: {max_concurrent: 1000}
on_fail: {halt: true, committed_devices: keep}
"""
START_LIMIT_S = 60.0
UPDATE_LIMIT_S = 180.0
ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class _Proof:
    soak_s: float


@dataclass(frozen=True)
class _Attempt:
    release: str
    rollout: str | None
    outcome: str | None
    reason: str | None
    offered_at: str
    ended_at: str | None
    proof: _Proof | None


@dataclass(frozen=True)
class _Device:
    assignments: tuple[_Attempt, ...]


@dataclass(frozen=True)
class Attempt:
    """One device's attempt as the server stored it; both times are the server's own clock."""

    device: str
    outcome: str | None
    reason: str | None
    seconds: float
    soak_s: float


class Site:
    """The running site. Devices run `app/1.0`; `publish` adds a version and `update` brings it to every device."""

    def __init__(self, folder: Path, devices: int, settings: Mapping[str, float], soak_s: float) -> None:
        ports = Ports.free()
        self.folder, self._soak_s = folder, soak_s
        self.operator = Operator(folder, ports.api, folder / "server" / "secrets" / "operator.token")
        self.server = Server(folder, self.operator.keys, ports)
        self.fleet = Fleet(folder / "devices", devices, settings)

    def start(self) -> None:
        self.operator.run("keys", "init", str(self.operator.keys))
        first = self._build("1.0", 100)
        self.server.start()
        token = self.operator.enrolment_token(len(self.fleet))
        bootstrap = self.operator.keys / "bootstrap"
        self.fleet.enrol(self.server.device_url, bootstrap, token, first, lambda name: None)
        self.operator.publish(first)
        self.operator.cohort("everybody", "all")
        self.fleet.start()
        self.wait(lambda: self._all_run("1.0"), START_LIMIT_S, "every device to report 1.0")

    def stop(self) -> None:
        self.fleet.stop()
        self.server.stop()

    def publish(self, version: str, counter: int) -> None:
        self.operator.publish(self._build(version, counter))

    def update(self, version: str) -> tuple[Attempt, ...]:
        """Roll a published version out to every device and wait for the end; one attempt a device."""
        policy = self.folder / "policy.yaml"
        policy.write_text(POLICY)
        rollout = self.operator.start_rollout(version, "everybody", policy)
        self.wait(lambda: self.server.api.rollout(rollout).state in ENDED, UPDATE_LIMIT_S, f"the end of {rollout}")
        return tuple(attempt for device in self.fleet.nodes for attempt in self._attempts(device, rollout))

    def wait(self, true: Callable[[], bool], limit_s: float, what: str) -> None:
        until_s = time.monotonic() + limit_s
        while not true():
            if time.monotonic() > until_s:
                raise Unreachable("unreachable", f"Waited {limit_s:.0f} s for {what}.")
            time.sleep(0.1)

    def _attempts(self, device: str, rollout: str) -> Iterator[Attempt]:
        for row in wire.from_json(_Device, self.server.api.get(f"/api/v1/devices/{device}")).assignments:
            if row.rollout == rollout and row.ended_at is not None:
                seconds = (_time(row.ended_at) - _time(row.offered_at)).total_seconds()
                yield Attempt(device, row.outcome, row.reason, seconds, row.proof.soak_s if row.proof else 0.0)

    def _build(self, version: str, counter: int) -> Path:
        folder = self.folder / "releases" / version
        write_camera_tree(folder / "tree", version)
        write_recipe(folder / "release.toml", self._soak_s)
        self.operator.build(folder / "tree", folder / "release.toml", folder / "out", version, counter, HARDWARE)
        self.operator.sign(folder / "out")
        return folder / "out"

    def _all_run(self, version: str) -> bool:
        try:
            devices = self.server.api.devices().values()
        except Conflict:
            return False
        return len(devices) == len(self.fleet) and all(d.online and d.version == version for d in devices)


@contextmanager
def running_site(
    folder: Path, devices: int = 1, settings: Mapping[str, float] | None = None, soak_s: float = 2.0
) -> Iterator[Site]:
    """A site that runs `app/1.0` on every device; stopped whatever happens."""
    site = Site(folder, devices, settings or {}, soak_s)
    try:
        site.start()
        yield site
    except CommandFailed as error:
        raise Unreachable("unreachable", f"The site does not work: {error}.") from error
    finally:
        site.stop()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not read the Z
