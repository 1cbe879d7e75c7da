"""Results are values: two of the same content are the same."""

from __future__ import annotations

from surefoot_agent.results import Aged, HaltRead
from surefoot_shared.trust.age import Old


def test_results_are_compared_by_what_they_say() -> None:
    assert HaltRead(1, ("a",)) == HaltRead(1, ("a",))
    assert Aged((Old("stale_metadata", "m"),)) != Aged(())
