"""An entry of the feed as a CloudEvent."""

from __future__ import annotations

import json

from surefoot_server.notify.cloudevent import cloudevent

ENTRY = {"id": 7, "at": "2026-03-01T12:00:00+00:00", "kind": "outcome", "subject": "device:cam-1", "detail": {"a": "đ"}}


def test_every_attribute_that_the_specification_demands_is_there() -> None:
    made = json.loads(cloudevent(ENTRY, "http://127.0.0.1:8080", "msg_1"))

    assert made == {
        "specversion": "1.0",
        "id": "msg_1",
        "source": "http://127.0.0.1:8080",
        "type": "surefoot.outcome.v1",
        "time": "2026-03-01T12:00:00+00:00",
        "subject": "device:cam-1",
        "datacontenttype": "application/json",
        "data": ENTRY,
    }
