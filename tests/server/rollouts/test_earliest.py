"""When phases could end at the earliest: bakes and hours, in the zones of the sites and over their clock changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import pytest

from surefoot_server.rollouts.earliest import begins, ends
from surefoot_server.rollouts.planner import Candidate, Offering, plan
from surefoot_server.rollouts.policy import parse

PHASES = "phases: [{name: one, percent: 10, bake: 1h}, {name: all, percent: 100, bake: 2h}]\n"
ONE = "phases: [{percent: 100, bake: 1h}]\n"
NIGHT = PHASES + "limits: {window: site-local 01:00-05:00}\n"


@dataclass(frozen=True)
class Row:
    """`zones`: of the devices, the first is in the first phase. `expected`: the end of each phase, in UTC."""

    name: str
    policy: str
    zones: tuple[str, ...]
    now: str
    expected: tuple[str | None, ...]


ROWS = (
    Row(
        "without hours it is the bakes alone",
        PHASES,
        ("", ""),
        "2026-03-10T12:00",
        ("2026-03-10T13:00", "2026-03-10T15:00"),
    ),
    Row(
        "a phase waits for the night of its site, and the next one for the night after where the bake is longer",
        NIGHT.replace("bake: 1h", "bake: 6h"),
        ("UTC", "UTC"),
        "2026-03-10T12:00",
        ("2026-03-11T07:00", "2026-03-12T03:00"),
    ),
    Row(
        "within one night both fit where the bake is short",
        NIGHT,
        ("UTC", "UTC"),
        "2026-03-10T12:00",
        ("2026-03-11T02:00", "2026-03-11T04:00"),
    ),
    Row(
        "the last zone of a phase counts",
        ONE + "limits: {window: site-local 01:00-05:00}\n",
        ("Asia/Tokyo", "America/New_York"),
        "2026-03-10T12:00",
        ("2026-03-11T06:00",),  # 01:00 in New York is 05:00 UTC, since its clocks have changed on the 8th
    ),
    Row(
        "an hour that the clock change skips is the end of its gap",
        ONE.replace("1h", "0s") + "limits: {window: site-local 02:30-02:45}\n",
        ("Europe/Berlin", "Europe/Berlin"),
        "2026-03-28T12:00",
        ("2026-03-30T00:30",),  # on the 29th half past two does not exist, and neither does the window
    ),
    Row(
        "a download waits for its own hours first",
        NIGHT.replace("limits: {", "limits: {download_window: UTC 06:00-07:00, "),
        ("UTC", "UTC"),
        "2026-03-10T12:00",
        ("2026-03-12T02:00", "2026-03-13T03:00"),
    ),
    Row(
        "frozen days begin nothing",
        PHASES + "limits: {freeze: [2026-03-10/2026-03-11]}\n",
        ("UTC", "UTC"),
        "2026-03-10T12:00",
        ("2026-03-12T01:00", "2026-03-12T03:00"),
    ),
    Row(
        "what starts later ends later",
        "rollout: {start_at: 2026-04-01T00:00:00Z}\n" + PHASES,
        ("", ""),
        "2026-03-10T12:00",
        ("2026-04-01T01:00", "2026-04-01T03:00"),
    ),
    Row("a phase of nobody has no end", PHASES, ("",), "2026-03-10T12:00", ("2026-03-10T13:00", None)),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_phase_ends_before_its_hours_and_bakes(row: Row) -> None:
    policy = parse(row.policy)
    devices = [Candidate(f"d{i}", "pi", zone=zone) for i, zone in enumerate(row.zones)]
    made = plan(policy, Offering("new", frozenset({"pi"}), 2), devices, "salt")

    found = ends(policy, made, at(row.now))

    assert found == [None if text is None else at(text) for text in row.expected]


def test_a_start_that_has_passed_is_now() -> None:
    policy = parse("rollout: {start_at: 2026-01-01T00:00:00Z}\n" + PHASES)

    assert begins(policy, at("2026-03-10T12:00")) == at("2026-03-10T12:00")
