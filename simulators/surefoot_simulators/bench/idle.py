"""What an agent costs that has nothing to do: resident memory and share of a core, beside its peers in the same run.

Promises: the agent is enrolled, connected over mTLS, supervises the camera application, samples telemetry and keeps its
default settings; the application and the short-lived verification child are not counted; all processes are measured
over the same stretch of time. The guard is counted apart, because it is a process of its own on every device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench.figures import Figure, Peer
from surefoot_simulators.bench.peers import running_peers
from surefoot_simulators.bench.process import cpu_percent, rss_mib
from surefoot_simulators.bench.site import running_site

SETTLE_S = 15.0
"""Connecting, the first hello and its answer, and the first samples are over by then."""
WATCH_S = 60.0
"""The kernel counts CPU time in hundredths of a second: 0.2 % of a core shows as 12 of them."""
AGENT_GOAL_MIB, GUARD_GOAL_MIB = 40.0, 20.0
AGENT_GOAL_PERCENT, GUARD_GOAL_PERCENT = 0.2, 0.2
AGENT, GUARD = "surefoot-agent", "surefoot guard"


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    """Raise Unreachable where agent or guard does not stay up while it is watched."""
    with running_site(work) as site, running_peers(work) as (peers, absent):
        node = next(iter(site.fleet))
        time.sleep(SETTLE_S)
        pids = {**peers, AGENT: _pid(AGENT, node.agent.pid), GUARD: _pid(GUARD, node.guard.pid)}
        say(f"watching {len(pids)} processes for {WATCH_S:.0f} s")
        cpu = cpu_percent(pids, WATCH_S)
        if (node.agent.pid, node.guard.pid) != (pids[AGENT], pids[GUARD]):
            raise Unreachable("unreachable", "Agent or guard was restarted while it was measured.")
        memory = {name: rss_mib(pid) for name, pid in pids.items()}
    return figures(memory, cpu, absent)


def figures(memory: Mapping[str, float], cpu: Mapping[str, float], absent: Sequence[str]) -> list[Figure]:
    """Four figures from what was measured; every process that is not ours is a peer."""
    note = "; ".join(["default settings, camera application supervised", *absent])
    return [
        Figure("idle agent, resident memory", memory[AGENT], "MiB", AGENT_GOAL_MIB, peers=_peers(memory), note=note),
        Figure("idle agent, share of a core", cpu[AGENT], "%", AGENT_GOAL_PERCENT, peers=_peers(cpu), note=note),
        Figure("idle guard, resident memory", memory[GUARD], "MiB", GUARD_GOAL_MIB, peers=_peers(memory)),
        Figure("idle guard, share of a core", cpu[GUARD], "%", GUARD_GOAL_PERCENT, peers=_peers(cpu)),
    ]


def _peers(values: Mapping[str, float]) -> tuple[Peer, ...]:
    return tuple(Peer(name, value) for name, value in values.items() if name not in (AGENT, GUARD))


def _pid(name: str, pid: int | None) -> int:
    if pid is None:
        raise Unreachable("unreachable", f"{name} does not run.")
    return pid
