"""The limit of enrolments: who is told to wait, and that one server's count is not another's."""

from __future__ import annotations

import pytest

from surefoot_server.enrolment.attempts import Attempts
from surefoot_server.rates import Rate
from surefoot_shared.errors import Unreachable

ONE, MANY = Rate(per_s=0.1, burst=1), Rate(per_s=100, burst=100)


def test_an_address_that_asks_too_often_waits_whatever_devices_it_names() -> None:
    attempts = Attempts(addresses=ONE, names=MANY)
    attempts.take("10.0.0.1", "cam-1", 0.0)

    with pytest.raises(Unreachable, match="from this address") as caught:
        attempts.take("10.0.0.1", "cam-2", 1.0)

    assert (caught.value.kind, caught.value.retry_after_s) == ("busy", pytest.approx(9.0))
    attempts.take("10.0.0.2", "cam-2", 1.0)


def test_a_device_that_is_asked_for_too_often_waits_whatever_addresses_ask() -> None:
    attempts = Attempts(addresses=MANY, names=ONE)
    attempts.take("10.0.0.1", "cam-1", 0.0)

    with pytest.raises(Unreachable, match="for this device"):
        attempts.take("10.0.0.2", "cam-1", 1.0)

    attempts.take("10.0.0.2", "cam-1", 11.0)


def test_what_has_no_name_is_counted_by_its_address_alone() -> None:
    attempts = Attempts(addresses=MANY, names=ONE)

    for second in range(5):
        attempts.take("10.0.0.1", "", float(second))

    attempts.take("10.0.0.1", "cam-1", 5.0)
    with pytest.raises(Unreachable, match="for this device"):
        attempts.take("10.0.0.1", "cam-1", 5.0)


def test_each_server_counts_for_itself() -> None:
    first, second = Attempts(ONE, ONE), Attempts(ONE, ONE)
    first.take("10.0.0.1", "cam-1", 0.0)

    second.take("10.0.0.1", "cam-1", 0.0)
    with pytest.raises(Unreachable):
        second.take("10.0.0.1", "cam-1", 0.0)
