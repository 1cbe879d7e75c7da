from __future__ import annotations

import json

import pytest

from surefoot_shared import wire
from surefoot_shared.enrolment import Enrolled, MqttAddress
from surefoot_shared.errors import Invalid


@pytest.mark.parametrize(("port", "protocol"), [(0, 5), (65536, 5), (-1, 5), (8883, 3), (8883, 6)])
def test_an_address_that_no_client_can_use_is_refused(port: int, protocol: int) -> None:
    raw = {"device": "cam", "certificate": "pem", "mqtt": {"host": "h", "port": port, "protocol": protocol}}

    with pytest.raises(Invalid, match=r"Enrolled\.mqtt: port or protocol"):
        wire.decode(Enrolled, json.dumps(raw).encode())


def test_an_empty_host_is_allowed_and_means_the_servers() -> None:
    assert MqttAddress("", 8883, 4).host == ""
