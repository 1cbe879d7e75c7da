"""What an agent costs that has nothing to do: resident memory and share of a core, beside its peers in the same run.

Promises: the agent is enrolled, connected over mTLS, supervises the camera application, samples telemetry and keeps its
default settings; the application and the short-lived verification child are not counted; all processes are measured
over the same stretch of time. The guard is counted apart, because it is a process of its own on every device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench.figures import Figure, Peer
from surefoot_simulators.bench.peers import running_peers
from surefoot_simulators.bench.process import cpu_percent, rss_mib
from surefoot_simulators.bench.site import Site, running_site
from surefoot_simulators.demo.fleet import HARDWARE
from surefoot_simulators.demo.split import SplitNode

SETTLE_S = 15.0
"""Connecting, the first hello and its answer, and the first samples are over by then."""
WATCH_S = 60.0
"""The kernel counts CPU time in hundredths of a second: 0.2 % of a core shows as 12 of them."""
AGENT_GOAL_MIB, GUARD_GOAL_MIB = 40.0, 20.0
AGENT_GOAL_PERCENT, GUARD_GOAL_PERCENT = 0.2, 0.2
HALVES_GOAL_MIB = 2 * AGENT_GOAL_MIB
"""Two Pythons with what they import: whoever splits the agent pays for it in memory."""
SPLIT_S = 45.0
"""For a device more to come up."""
AGENT, GUARD = "surefoot-agent", "surefoot guard"
NETWORKED, HELPER = "networked half", "helper"


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    """Raise Unreachable where agent or guard does not stay up while it is watched."""
    with running_site(work) as site, running_peers(work) as (peers, absent), _in_two_halves(site) as split:
        node = next(iter(site.fleet))
        time.sleep(SETTLE_S)
        pids = {**peers, AGENT: _pid(AGENT, node.agent.pid), GUARD: _pid(GUARD, node.guard.pid)}
        halves = {NETWORKED: _pid(NETWORKED, split.agent.pid), HELPER: _pid(HELPER, split.helper.pid)}
        pids |= halves
        say(f"watching {len(pids)} processes for {WATCH_S:.0f} s")
        cpu = cpu_percent(pids, WATCH_S)
        if (node.agent.pid, node.guard.pid) != (pids[AGENT], pids[GUARD]):
            raise Unreachable("unreachable", "Agent or guard was restarted while it was measured.")
        if (split.agent.pid, split.helper.pid) != (pids[NETWORKED], pids[HELPER]):
            raise Unreachable("unreachable", "Agent or helper was restarted while it was measured.")
        memory = {name: rss_mib(pid) for name, pid in pids.items()}
    return figures(memory, cpu, absent)


def figures(memory: Mapping[str, float], cpu: Mapping[str, float], absent: Sequence[str]) -> list[Figure]:
    """Six figures from what was measured; every process that is not ours is a peer, and of two halves the whole one."""
    note = "; ".join(["default settings, camera application supervised", *absent])
    return [
        Figure("idle agent, resident memory", memory[AGENT], "MiB", AGENT_GOAL_MIB, peers=_peers(memory), note=note),
        Figure("idle agent, share of a core", cpu[AGENT], "%", AGENT_GOAL_PERCENT, peers=_peers(cpu), note=note),
        Figure("idle guard, resident memory", memory[GUARD], "MiB", GUARD_GOAL_MIB, peers=_peers(memory)),
        Figure("idle guard, share of a core", cpu[GUARD], "%", GUARD_GOAL_PERCENT, peers=_peers(cpu)),
        _of_halves("idle agent in two halves, resident memory", memory, "MiB", HALVES_GOAL_MIB),
        _of_halves("idle agent in two halves, share of a core", cpu, "%", AGENT_GOAL_PERCENT),
    ]


def _of_halves(name: str, values: Mapping[str, float], unit: str, goal: float) -> Figure:
    """Networked half and helper together; what they share of libraries counts twice."""
    note = f"networked half {values[NETWORKED]:.2f} {unit} and helper {values[HELPER]:.2f} {unit}"
    whole = (Peer("the same agent in one piece", values[AGENT]),)
    return Figure(name, values[NETWORKED] + values[HELPER], unit, goal, peers=whole, note=note)


def _peers(values: Mapping[str, float]) -> tuple[Peer, ...]:
    ours = (AGENT, GUARD, NETWORKED, HELPER)
    return tuple(Peer(name, value) for name, value in values.items() if name not in ours)


@contextmanager
def _in_two_halves(site: Site) -> Iterator[SplitNode]:
    """A second device, whose agent runs in two halves."""
    node = SplitNode("cam-split", HARDWARE[0], site.folder / "split", {})
    token, release = site.operator.enrolment_token(1), site.folder / "releases" / "1.0" / "out"
    node.enrol(site.server.device_url, site.operator.keys / "bootstrap", token, release)
    node.start()
    try:
        site.wait(lambda: _runs(site, node.device), SETTLE_S + SPLIT_S, "the device in two halves to report")
        yield node
    finally:
        node.stop()


def _runs(site: Site, device: str) -> bool:
    found = site.server.api.devices().get(device)
    return found is not None and bool(found.online) and found.version == "1.0"


def _pid(name: str, pid: int | None) -> int:
    if pid is None:
        raise Unreachable("unreachable", f"{name} does not run.")
    return pid
