"""A modelled fleet is divided as the planner divides the same devices."""

from __future__ import annotations

from collections import Counter

import pytest

from surefoot_server.rollouts.forecast.assumed import Group
from surefoot_server.rollouts.forecast.people import People, from_groups, from_plan
from surefoot_server.rollouts.planner import Candidate, Offering, Plan, plan
from surefoot_server.rollouts.policy import parse

LADDER = """
phases:
  - {name: vn, select: "country == 'VN' and hw == 'pi'"}
  - {percent: 3, min_devices: 12}
  - {percent: 35}
  - {percent: 100}
"""
GROUPS = [
    Group(40, "pi", "hn", 4, "Asia/Ho_Chi_Minh", attributes={"country": "VN"}),
    Group(331, "pi", "de", 7, "Europe/Berlin"),
    Group(97, "jetson", "de", 7, "Europe/Berlin"),
    Group(5, "jetson", "bench", tags=frozenset({"lab"})),
]


def planned(salt: str) -> Plan:
    """The same devices, one by one."""
    devices = []
    for n, group in enumerate(GROUPS):
        for i in range(group.count):
            site = group.site if group.sites == 1 else f"{group.site}-{i % group.sites + 1}"
            chosen = frozenset({0}) if group.attributes and group.hw == "pi" else frozenset[int]()
            lab = "lab" in group.tags
            devices.append(Candidate(f"d{n}-{i}", group.hw, site=site, zone=group.zone, lab=lab, selected=chosen))
    return plan(parse(LADDER), Offering("x", frozenset({"pi", "jetson"}), 1), devices, salt)


def mixture(people: People) -> list[Counter[tuple[str, str, str]]]:
    found, at = [], 0
    for size in people.sizes:
        some = range(at, at + size)
        found.append(
            Counter(
                (people.hw_names[people.hw[i]], people.site_names[people.site[i]], people.zone_names[people.zone[i]])
                for i in some
            )
        )
        at += size
    return found


@pytest.mark.parametrize("salt", ["a", "b", "c"])
def test_phases_have_the_sizes_hardware_and_sites_that_the_planner_gives_them(salt: str) -> None:
    modelled, real = from_groups(parse(LADDER), GROUPS, salt), from_plan(planned(salt))

    assert modelled.sizes == real.sizes
    assert mixture(modelled) == mixture(real)


def test_hardware_that_the_release_is_not_made_for_is_left_out() -> None:
    people = from_groups(parse(LADDER), GROUPS, "a", frozenset({"jetson"}))

    assert (people.total, people.excluded) == (102, 371)


def test_lab_devices_come_first() -> None:
    people = from_groups(parse(LADDER), GROUPS, "a", frozenset({"jetson"}))

    first = [people.site_names[people.site[i]] for i in range(5)]
    assert set(first) == {"bench"}


def test_a_fleet_without_anybody_in_a_phase_is_empty() -> None:
    people = from_groups(parse(LADDER), GROUPS, "a", frozenset({"other"}))

    assert (people.total, people.sizes, people.excluded) == (0, (0, 0, 0, 0), 473)
