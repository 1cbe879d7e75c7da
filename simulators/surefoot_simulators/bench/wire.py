"""Ten thousand connected devices in one process against the real server and broker, beside bare paho clients.

Promises: every device has a certificate and a TLS connection of its own, says a signed hello, sends a heartbeat of
telemetry a minute, and a thousand of them take a rollout; the peer is as many paho clients, driven by one loop, against
the same mosquitto with the same certificates, that say nothing but the same heartbeats. Each is a process of its own,
one after the other; memory is that process's alone.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench.figures import Better, Figure, Peer

DEVICES = 10_000
CONNECT_GOAL_S, MEMORY_GOAL_MIB = 60.0, 1024.0
HEARTBEAT_GOAL = 1.0
EVENTS_GOAL = 500.0
"""A rollout of 2,000 devices at a time says some 16,000 events: half a minute."""
LIMIT_S = 1800.0
STAGE = "stage: "
"""Begins the lines in which the child says how far it is."""
CHILD = "surefoot_simulators.bench.wire_child"


@dataclass(frozen=True)
class Took:
    """What the child says of the simulated fleet, and of the bare clients (0 where they do not do it)."""

    connect_s: float
    hello_s: float
    memory_mib: float
    heartbeats: int
    """Sent within a minute, and stored by the server."""
    events: int
    events_s: float
    server_mib: float
    bare_connect_s: float
    bare_memory_mib: float


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    say(f"{DEVICES} devices, then as many bare clients")
    asked = [sys.executable, "-m", CHILD, str(work), str(DEVICES)]
    took = work / "took.json"
    with took.open("wb") as out, subprocess.Popen(asked, stdout=out, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None  # it is a pipe
        limit = threading.Timer(LIMIT_S, child.kill)
        limit.start()
        last = deque[str](maxlen=20)
        for line in child.stderr:
            last.append(line)
            if line.startswith(STAGE):
                say(line.removeprefix(STAGE).rstrip())
        child.wait()
        limit.cancel()
    if child.returncode:
        raise Unreachable("unreachable", f"The fleet ended with {child.returncode}: {''.join(last)[-300:]}")
    return figures(DEVICES, wire.decode(Took, took.read_bytes().splitlines()[-1]))


def figures(devices: int, took: Took) -> list[Figure]:
    """Seconds to connect, memory, heartbeats and events."""
    return [
        Figure(
            f"{devices} devices connected",
            took.connect_s,
            "s",
            CONNECT_GOAL_S,
            peers=(Peer("paho, one loop", took.bare_connect_s),),
            note=f"TLS with a certificate each; every signed hello is stored {took.hello_s:.1f} s after the start",
        ),
        Figure(
            f"memory of the process with {devices} devices",
            took.memory_mib,
            "MiB",
            MEMORY_GOAL_MIB,
            peers=(Peer("paho, one loop", took.bare_memory_mib),),
            note=f"the server's process has {took.server_mib:.0f} MiB then",
        ),
        Figure(
            "heartbeats of a minute that were stored, a device",
            took.heartbeats / devices,
            "a minute",
            HEARTBEAT_GOAL,
            Better.HIGHER,
            note="signed telemetry batches, acknowledged by the server",
        ),
        Figure(
            "events of a rollout stored",
            took.events / took.events_s if took.events_s else 0.0,
            "events/s",
            EVENTS_GOAL,
            Better.HIGHER,
            note=f"{took.events} signed events of a thousand devices or fewer, from their offers to their commits",
        ),
    ]
