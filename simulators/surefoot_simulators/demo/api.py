"""The server as a witness: its HTTP API, read into the values of `seen.py`.

Promises: an answer that lacks what it should have raises Invalid naming the field; a server that cannot be reached
raises Unreachable. It reads and never changes anything: the operator's commands go through the real command line.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import Conflict, Unreachable
from surefoot_shared.wire import Json
from surefoot_simulators.demo.seen import SeenAssignment, SeenDevice, SeenPhase, SeenRollout

TIMEOUT_S = 30.0
"""An answer takes milliseconds; where fifty others wanted the same cores it was seen to take more than ten seconds."""


@dataclass(frozen=True)
class _Component:
    component: str
    slot: str | None
    release: str | None
    digest: str | None
    state: str


@dataclass(frozen=True)
class _Proof:
    digest: str
    slot: str
    soak_s: float


@dataclass(frozen=True)
class _Assignment:
    component: str
    release: str
    intent: str
    rollout: str | None
    phase: int | None
    state: str
    outcome: str | None
    reason: str | None
    message: str
    offered_at: str
    proof: _Proof | None


@dataclass(frozen=True)
class _Device:
    id: str
    hw: str
    online: bool
    attention: str | None
    components: tuple[_Component, ...]
    assignments: tuple[_Assignment, ...] = ()


@dataclass(frozen=True)
class _Phase:
    name: str
    state: str
    members: int
    reason: str


@dataclass(frozen=True)
class _Rollout:
    id: str
    release: str
    state: str
    reason: str
    phases: tuple[_Phase, ...]


class Api:
    """A reader of one server's API for one component."""

    def __init__(self, url: str, token_file: Path, component: str) -> None:
        self._url, self._token_file, self._component = url.rstrip("/"), token_file, component

    def healthy(self) -> bool:
        """Say whether every role of the server is well."""
        try:
            self.get("/healthz")
        except (Unreachable, Conflict):
            return False
        return True

    def devices(self) -> dict[str, SeenDevice]:
        found = [wire.from_json(_Device, each) for each in _list(self.get("/api/v1/devices"))]
        return {device.id: self._seen(device) for device in found}

    def assignments(self, device_id: str) -> tuple[SeenAssignment, ...]:
        """Every assignment of the device's component, oldest first."""
        device = wire.from_json(_Device, self.get(f"/api/v1/devices/{device_id}"))
        mine = [a for a in device.assignments if a.component == self._component]
        return tuple(sorted((_assignment(device_id, a) for a in mine), key=lambda a: a.offered_at))

    def rollout(self, rollout_id: str) -> SeenRollout:
        """The rollout with its phases; without its assignments, which cost a request a device."""
        return _rollout(wire.from_json(_Rollout, self.get(f"/api/v1/rollouts/{rollout_id}")))

    def rollout_whole(self, rollout_id: str) -> SeenRollout:
        """The rollout with every assignment it made on any device."""
        rollout = self.rollout(rollout_id)
        everything: list[SeenAssignment] = []
        for device_id in self.devices():
            device = wire.from_json(_Device, self.get(f"/api/v1/devices/{device_id}"))
            everything += [_assignment(device_id, a) for a in device.assignments if a.rollout == rollout_id]
        return SeenRollout(
            rollout.id,
            rollout.version,
            rollout.state,
            rollout.reason,
            rollout.phases,
            tuple(sorted(everything, key=lambda a: a.offered_at)),
        )

    def versions(self) -> tuple[str, ...]:
        """Versions of the component that the server has published."""
        releases = [r for r in _list(self.get("/api/v1/releases")) if isinstance(r, dict)]
        return tuple(str(r["version"]) for r in releases if r["component"] == self._component)

    def why(self, device_id: str) -> str:
        """The one sentence on why the device does or does not update."""
        answer = self.get(f"/api/v1/devices/{device_id}/why")
        return str(answer["sentence"]) if isinstance(answer, dict) else ""

    def get(self, path: str) -> Json:
        """Fetch a JSON answer; raises Unreachable, or Conflict with the server's own words where it refuses."""
        try:
            token = self._token_file.read_text().strip()
        except FileNotFoundError:
            token = ""  # a server that never started has none yet; /healthz needs none
        request = urllib.request.Request(  # noqa: S310 - always http on loopback
            self._url + path, headers={"Authorization": f"Bearer {token}"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through the caller's proxy
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                parsed: Json = json.loads(answer.read())
                return parsed
        except urllib.error.HTTPError as error:
            words = error.read(2000).decode(errors="replace")
            raise Conflict("conflict", f"{path} answered {error.code}: {words}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable("unreachable", f"{self._url} cannot be reached: {error}.") from error

    def _seen(self, device: _Device) -> SeenDevice:
        part = next((c for c in device.components if c.component == self._component), None)
        return SeenDevice(
            id=device.id,
            hw=device.hw,
            online=device.online,
            version=_version(part.release) if part is not None and part.release else None,
            digest=part.digest if part is not None else None,
            slot=part.slot if part is not None else None,
            state=part.state if part is not None else "unknown",
            attention=device.attention,
        )


def by_hardware(devices: Mapping[str, SeenDevice]) -> dict[str, str]:
    return {device.id: device.hw for device in devices.values()}


def _assignment(device_id: str, a: _Assignment) -> SeenAssignment:
    return SeenAssignment(
        device=device_id,
        version=_version(a.release),
        intent=a.intent,
        state=a.state,
        phase=a.phase,
        outcome=a.outcome,
        reason=a.reason,
        message=a.message,
        offered_at=a.offered_at,
        proved_digest=a.proof.digest if a.proof else None,
        proved_slot=a.proof.slot if a.proof else None,
        soak_s=a.proof.soak_s if a.proof else 0.0,
    )


def _rollout(r: _Rollout) -> SeenRollout:
    phases = tuple(SeenPhase(p.name, p.state, p.members, p.reason) for p in r.phases)
    return SeenRollout(r.id, _version(r.release), r.state, r.reason, phases)


def _version(release: str) -> str:
    """`app/1.1` → `1.1`."""
    return release.rpartition("/")[2]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
