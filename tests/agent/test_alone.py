from __future__ import annotations

from surefoot_agent.alone import ALONE
from surefoot_agent.events import Effect
from surefoot_agent.lanes import Lane


def test_whatever_empties_or_fills_a_slot_runs_in_one_lane_so_that_no_two_do_at_a_time() -> None:
    files = {effect for effect, (lane, _) in ALONE.items() if lane is Lane.FILES}

    assert files == {Effect.PREFLIGHT, Effect.VACATE, Effect.SEAL, Effect.CLEAN}
