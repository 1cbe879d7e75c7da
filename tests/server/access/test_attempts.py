"""Past a few attempts nobody may guess on, and is told for how long."""

from __future__ import annotations

import pytest

from surefoot_server.access.attempts import ADDRESS_RATE, NAME_RATE, Attempts
from surefoot_shared.errors import Unreachable


def test_one_name_is_tried_ten_times_and_then_once_in_half_a_minute() -> None:
    attempts = Attempts()
    for n in range(int(NAME_RATE.burst)):
        attempts.take(f"10.0.0.{n}", "admin", 0.0)

    with pytest.raises(Unreachable) as refused:
        attempts.take("10.0.1.1", "admin", 0.0)

    assert (refused.value.kind, refused.value.retry_after_s) == ("too_many", pytest.approx(30.0))
    attempts.take("10.0.1.1", "admin", 31.0)


def test_one_address_is_limited_whatever_names_it_tries() -> None:
    attempts = Attempts()
    for n in range(int(ADDRESS_RATE.burst)):
        attempts.take("10.0.0.1", f"name-{n}", 0.0)

    with pytest.raises(Unreachable):
        attempts.take("10.0.0.1", "another", 0.0)

    attempts.take("10.0.0.2", "another", 0.0)
