from __future__ import annotations

from surefoot_agent.leases import SUSPECT_S, HeldLease
from surefoot_shared.messages import Lease, Source

HELD = HeldLease(Lease("a-1", (Source("https://x/", "t"),), valid_s=60.0), arrived_at=100.0)


def test_a_lease_serves_its_own_assignment_until_its_time_since_receipt_is_over() -> None:
    assert HELD.serves("a-1", 100.0)
    assert HELD.serves("a-1", 159.9)
    assert not HELD.serves("a-1", 160.0)
    assert not HELD.serves("a-2", 100.0)


def test_a_lease_refused_right_after_it_came_is_suspect() -> None:
    assert HELD.suspect(100.0 + SUSPECT_S - 0.1)
    assert not HELD.suspect(100.0 + SUSPECT_S)


def test_what_was_waited_once_is_not_waited_again() -> None:
    held = HeldLease(Lease("a-1", (), 600.0, wait_s=30.0), arrived_at=100.0)

    assert [held.from_now(now).wait_s for now in (100.0, 112.0, 130.0, 500.0)] == [30.0, 18.0, 0.0, 0.0]
    assert [held.from_now(now).valid_s for now in (112.0, 800.0)] == [588.0, 0.0]
    assert held.from_now(100.0) == held.lease
