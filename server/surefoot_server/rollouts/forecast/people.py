"""Who is in which phase, as arrays in the order of their turn: from a plan, or from groups of a modelled fleet.

Promises: a modelled fleet is divided by the planner's own shares and spread over its sites by the planner's rule, so
phases have the sizes, hardware and sites that a plan of the same devices has; a million devices take a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot_server.cohorts import grammar
from surefoot_server.rollouts.candidates import LAB
from surefoot_server.rollouts.forecast.assumed import Group
from surefoot_server.rollouts.planner import Plan, rank, shares
from surefoot_server.rollouts.policy import Policy

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class People:
    """`sizes` of each phase; then one code a member, into the names of hardware, site and zone."""

    sizes: tuple[int, ...]
    hw: Codes
    site: Codes
    zone: Codes
    hw_names: tuple[str, ...]
    site_names: tuple[str, ...]
    zone_names: tuple[str, ...]
    excluded: int = 0

    @property
    def total(self) -> int:
        return sum(self.sizes)


def from_plan(plan: Plan) -> People:
    """The members of a plan, phase by phase."""
    members = [member for phase in plan.phases for member in phase.members]
    hw, hw_names = _coded([m.hw for m in members])
    site, site_names = _coded([m.site for m in members])
    zone, zone_names = _coded([m.zone for m in members])
    sizes = tuple(len(phase.members) for phase in plan.phases)
    return People(sizes, hw, site, zone, hw_names, site_names, zone_names, len(plan.excluded))


def from_groups(policy: Policy, groups: Sequence[Group], salt: str, hardware: frozenset[str] | None = None) -> People:
    """Divide a modelled fleet into the policy's phases. `hardware`: what the release is made for, None for all."""
    wanted = [group for group in groups if hardware is None or group.hw in hardware]
    cells = [cell for group in wanted for cell in _cells(group)]
    phase_of_cell = np.array([_pinned(policy, cell) for cell in cells], dtype=np.int64)
    counts = np.array([cell.count for cell in cells], dtype=np.int64)
    hw, hw_names = _coded([cell.hw for cell in cells])
    site, site_names = _coded([cell.site for cell in cells])
    zone, zone_names = _coded([cell.zone for cell in cells])
    lab = np.array([LAB in cell.tags for cell in cells], dtype=bool)
    each = np.repeat(np.arange(len(cells)), counts)
    places = _places(each, hw, site, phase_of_cell, site_names, salt)
    phase, order = _climb(policy, phase_of_cell[each], hw[each], ~lab[each], places, hw_names)
    turn = order[phase[order] >= 0]
    turn = turn[np.argsort(phase[turn], kind="stable")]
    sizes = np.bincount(phase[phase >= 0], minlength=len(policy.phases))
    left_out = sum(group.count for group in groups) - len(turn)
    at = each[turn]
    return People(tuple(int(n) for n in sizes), hw[at], site[at], zone[at], hw_names, site_names, zone_names, left_out)


def _cells(group: Group) -> list[Group]:
    """One group for each of its sites."""
    if group.sites == 1:
        return [group]
    share, more = divmod(group.count, group.sites)
    stem = group.site or "site"
    return [
        Group(count, group.hw, f"{stem}-{n + 1}", 1, group.zone, group.tags, group.attributes)
        for n in range(group.sites)
        if (count := share + (n < more))
    ]


def _pinned(policy: Policy, cell: Group) -> int:
    """The first phase whose `select` it matches, -1 where it climbs the ladder."""
    attributes = {**cell.attributes, "site": cell.site}
    traits = grammar.Traits(device="", hw=cell.hw, attributes=attributes, tags=cell.tags)
    for index, phase in enumerate(policy.phases):
        if phase.select is not None and grammar.matches(grammar.parse(phase.select), traits):
            return index
    return -1


def _places(
    each: Codes, hw: Codes, site: Codes, pinned: Codes, site_names: tuple[str, ...], salt: str
) -> NDArray[np.float64]:
    """The planner's rule: a site's devices of one hardware stand at equal distances, from a start the salt chooses."""
    key = (hw * len(site_names) + site) * 2 + (pinned >= 0)
    mine = key[each]
    order = np.argsort(mine, kind="stable")
    _, first, size = np.unique(mine[order], return_index=True, return_counts=True)
    place = np.empty(len(each))
    starts = np.array([int.from_bytes(rank(name, salt)[:8], "big") / 2**64 for name in site_names] or [0.0])
    within = np.arange(len(each)) - np.repeat(first, size)
    place[order] = (within + starts[site[each][order]]) / np.repeat(size, size)
    return place


def _climb(
    policy: Policy,
    pinned: Codes,
    hw: Codes,
    later: NDArray[np.bool_],
    places: NDArray[np.float64],
    names: Sequence[str],
) -> tuple[Codes, Codes]:
    """The phase of each device (-1: in none) and the order of their turns."""
    order = np.lexsort((places, later, np.array(_ranks(names))[hw] if names else hw))
    phase = pinned.copy()
    queue = {name: order[(hw[order] == code) & (pinned[order] < 0)] for code, name in enumerate(names)}
    queue = {name: found for name, found in queue.items() if len(found)}
    taken = dict.fromkeys(queue, 0)
    for index, upto in shares(policy, {name: len(found) for name, found in queue.items()}):
        for name, found in queue.items():
            phase[found[taken[name] : upto[name]]] = index
        taken = upto
    return phase, order


def _ranks(names: Sequence[str]) -> list[int]:
    """Hardware in the order of its name, as the planner lists it."""
    ordered = sorted(names)
    return [ordered.index(name) for name in names]


def _coded(values: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
    names = tuple(dict.fromkeys(values))
    code = {name: n for n, name in enumerate(names)}
    return np.fromiter((code[v] for v in values), dtype=np.int64, count=len(values)), names
