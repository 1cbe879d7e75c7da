"""A feed's entry as a CloudEvent (CloudEvents 1.0, JSON format)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MEDIA_TYPE = "application/cloudevents+json"


def cloudevent(entry: Mapping[str, Any], source: str, message_id: str) -> bytes:
    """`source` is the server's own address; the type ends in the version of `data`."""
    document = {
        "specversion": "1.0",
        "id": message_id,
        "source": source,
        "type": f"surefoot.{entry['kind']}.v1",
        "time": entry["at"],
        "subject": entry["subject"],
        "datacontenttype": "application/json",
        "data": dict(entry),
    }
    return json.dumps(document, ensure_ascii=False).encode()
