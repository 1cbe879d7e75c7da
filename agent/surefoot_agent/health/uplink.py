"""Can this device still be updated? A TLS handshake, a round trip through the broker, an answer where artifacts are.

Promises: the handshake is a new one each time, with the device's own certificate, so it proves the TLS stack and the
network of what runs now; the round trip goes over the live connection (a second one of the same identity would throw
the first out): the device's own presence is published again and the broker acknowledges it. What a failure decides is
the device's policy:
  baseline  decides only where it worked just before the update and this node alone explains the failure (`Blame.OURS`);
            an outage of server, broker or site is told and decides nothing
  required  every failure decides: for fleets that would rather revert than lose touch, and have a server that stays up
  wanted    reported only: for sites that are offline for long
Source: field notes (balena's baseline rule, the trap of mass rollbacks by an outage).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from surefoot_agent import reach
from surefoot_agent.health.local import DeviceCheck
from surefoot_agent.health.probation import START_ALLOWANCE_S
from surefoot_agent.health.scene import Finding, Scene
from surefoot_agent.identity import Identity
from surefoot_agent.reach import Blame, Broken
from surefoot_shared.errors import Unreachable
from surefoot_shared.release import CheckKind, HealthCheck

NAME, HELD = "uplink", "held"
TIMEOUT_S, INTERVAL_S = 20.0, 15.0
"""A slow mobile link needs seconds for name, connection, TLS and answer; DHCP and dialling need several looks."""
RESERVE_S = 1.5
"""Of the check's timeout: what the last step may overrun, so that a look ends by its own words."""
NOTHING = "0" * 64
"""No artifact has this digest: the answer proves the way, whatever the server says of it."""


class Policy(str, Enum):
    BASELINE = "baseline"
    REQUIRED = "required"
    WANTED = "wanted"
    OFF = "off"


@dataclass(frozen=True)
class Uplink:
    """How this device looks at its uplink. `identity` is the one in use; `round_trip` raises Unreachable."""

    policy: Policy
    window_s: float
    identity: Callable[[], Identity]
    round_trip: Callable[[float], float]

    def check(self, own: HealthCheck | None) -> DeviceCheck | None:
        """The check of this device; a release that names one of its own gives name and timing, and may only want it."""
        if self.policy is Policy.OFF:
            return None
        required = self.policy is not Policy.WANTED and (own is None or own.required)
        return DeviceCheck(
            name=own.name if own else NAME,
            kind=CheckKind.UPLINK,
            required=required,
            interval_s=own.interval_s if own else INTERVAL_S,
            timeout_s=own.timeout_s if own else TIMEOUT_S,
            window_s=self.window_s,
        )

    def look(self, check: HealthCheck, scene: Scene) -> Finding:
        began = time.monotonic()
        try:
            words = self._reached(began + max(1.0, check.timeout_s - RESERVE_S))
        except Broken as broken:
            return self._finding(check, scene, broken)
        return Finding(True, words, {HELD: 1.0, "took_s": round(time.monotonic() - began, 3)})

    def _reached(self, deadline: float) -> str:
        identity = self.identity()
        context = reach.context_of(identity.ca_file, identity.cert_file, identity.key_file)
        addresses = reach.resolve(identity.mqtt_host, identity.mqtt_port, _left_s(deadline))
        tls = reach.handshake(
            reach.connect(addresses, _left_s(deadline)), identity.mqtt_host, context, _left_s(deadline)
        )
        try:
            took_s = self.round_trip(_left_s(deadline))
        except Unreachable as error:
            raise Broken("mqtt", error.message, Blame.UNCLEAR) from error
        url = f"{identity.server_url.rstrip('/')}/api/v1/blobs/{NOTHING}"
        status = reach.head(url, identity.ca_file, _left_s(deadline))
        return f"{tls}; the broker acknowledged after {took_s:.3f} s; artifacts answer {status}"

    def _finding(self, check: HealthCheck, scene: Scene, broken: Broken) -> Finding:
        measured = {HELD: 0.0}
        if self.policy is not Policy.BASELINE or scene.before:
            return Finding(False, broken.message, measured)
        if scene.known(check.name).get(HELD) != 1.0:
            return Finding(False, f"{broken.message} It did not work before the update", measured, counts=False)
        if broken.blame is not Blame.OURS:
            words = f"{broken.message} That may be the server's or the site's fault"
            return Finding(False, words, measured, counts=False)
        return Finding(False, f"{broken.message} It worked before the update", measured)


def window_s(configured_s: float, guard_budget_s: float) -> float:
    """How long after the switch the uplink may take: what is configured (0: whatever the guard leaves)."""
    most_s = max(1.0, guard_budget_s - 2 * START_ALLOWANCE_S)
    return min(configured_s, most_s) if configured_s else most_s


def _left_s(deadline: float) -> float:
    """At least a tenth of a second: a step that has no time left fails by itself, in its own words."""
    return max(0.1, deadline - time.monotonic())
