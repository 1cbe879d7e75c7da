"""`python -m surefoot_simulators.bench.wire_child FOLDER DEVICES`: connect a fleet, say what it took as JSON.

`… FOLDER DEVICES paho PORT` is the peer: as many bare clients with the identities that the fleet left in the folder.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench import wire_peers
from surefoot_simulators.bench.process import rss_mib
from surefoot_simulators.bench.wire import STAGE, Took
from surefoot_simulators.fleet.crowd import Crowd

MINUTE_S = 60.0
LIMIT_S = 600.0
STORED_WITHIN_S = 30.0
ROLLOUT_DEVICES = 1000
POLICY = """
phases: [{name: all, percent: 100, bake: 1s}]
gate: {min_reported: 0.9, max_wait: 30m}
limits: {max_concurrent: 1000}
"""
VERSIONS = {"1.0": 100, "1.1": 101}


@dataclass(frozen=True)
class Bare:
    """What the peer says."""

    connect_s: float
    memory_mib: float


def main(argv: Sequence[str]) -> None:
    folder, devices = Path(argv[0]), int(argv[1])
    if argv[2:3] == ["paho"]:
        print(wire.encode(bare(folder, devices, int(argv[3]))).decode())
    else:
        print(wire.encode(played(folder, devices)).decode())


def played(folder: Path, devices: int) -> Took:
    """Raise Unreachable or TimeoutError where not everybody gets through."""
    crowd = Crowd(folder, devices, VERSIONS)
    crowd.heartbeat_s = MINUTE_S
    try:
        _say(f"makes {devices} identities and starts the server")
        crowd.prepare()
        _say("connects")
        began_s = time.monotonic()
        crowd.fleet.connect()
        connect_s = time.monotonic() - began_s
        crowd.pump(lambda: crowd.online() >= devices, LIMIT_S, "every hello to be stored", steps=False)
        hello_s = time.monotonic() - began_s
        _say(f"connected after {connect_s:.0f} s, every hello stored after {hello_s:.0f} s; a minute of heartbeats")
        heartbeats = _a_minute(crowd)
        _say(f"{heartbeats} heartbeats stored; a rollout")
        memory_mib, server_mib = rss_mib(_own_pid()), rss_mib(crowd.server.unit.pid or 0)
        events, events_s = _a_rollout(crowd, folder, devices)
        _say(f"{events} events stored in {events_s:.0f} s; as many bare clients")
        crowd.swarm.close()
        peer = _peer(folder, devices, crowd.server.ports.mqtt)
    finally:
        crowd.stop()
    return Took(
        connect_s, hello_s, memory_mib, heartbeats, events, events_s, server_mib, peer.connect_s, peer.memory_mib
    )


def bare(folder: Path, devices: int, port: int) -> Bare:
    """Connect bare clients with the certificates of the fleet, and send one heartbeat each."""
    connect_s = wire_peers.connect(folder / "identities", folder / "server" / "pki" / "ca.pem", devices, port, LIMIT_S)
    return Bare(connect_s, rss_mib(_own_pid()))


def _say(what: str) -> None:
    print(f"{STAGE}{what}", file=sys.stderr, flush=True)


def _a_minute(crowd: Crowd) -> int:
    """How many heartbeats of one minute were stored."""
    fleet = crowd.fleet.devices.values()
    before = sum(device.stored_batch for device in fleet)
    ends_s = time.monotonic() + MINUTE_S
    crowd.pump(lambda: time.monotonic() >= ends_s, MINUTE_S + LIMIT_S, "a minute to pass", steps=False)
    sent = {device.name: device.batches for device in fleet}
    with contextlib.suppress(Unreachable):  # what is missing then is missing from the figure
        crowd.pump(lambda: all(d.stored_batch >= sent[d.name] for d in fleet), STORED_WITHIN_S, "them to be stored")
    return sum(min(d.stored_batch, sent[d.name]) for d in fleet) - before


def _a_rollout(crowd: Crowd, folder: Path, devices: int) -> tuple[int, float]:
    """Events that a rollout to some of the fleet says, and the seconds until all of them were stored."""
    sites = max(1, min(20, 20 * ROLLOUT_DEVICES // devices))
    wanted = ", ".join(f"'site-{n}'" for n in range(sites))
    crowd.operator.cohort("some", f"site in ({wanted})")
    (folder / "policy.yaml").write_text(POLICY)
    rollout = crowd.operator.start_rollout("1.1", "some", folder / "policy.yaml")
    began_s = time.monotonic()
    crowd.pump(lambda: crowd.state(rollout) == "succeeded", LIMIT_S, f"{rollout} to succeed")
    fleet = crowd.fleet.devices.values()
    crowd.pump(lambda: not any(device.outbox for device in fleet), LIMIT_S, "events to be acknowledged")
    return sum(device.numbered for device in fleet), time.monotonic() - began_s


def _peer(folder: Path, devices: int, port: int) -> Bare:
    asked = [sys.executable, "-m", __spec__.name, str(folder), str(devices), "paho", str(port)]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=LIMIT_S * 2, check=False)
    if found.returncode:
        raise Unreachable("unreachable", f"The bare clients ended with {found.returncode}: {found.stderr[-300:]}")
    return wire.decode(Bare, found.stdout.splitlines()[-1].encode())


def _own_pid() -> int:
    return int(Path("/proc/self").resolve().name)


if __name__ == "__main__":
    main(sys.argv[1:])
