"""What a module is told of its payload: an artifact's own words where it had some, else made from the rest."""

from __future__ import annotations

import json

from surefoot_shared.module import Payload


def test_headers_are_made_where_an_artifact_did_not_bring_them() -> None:
    headers = Payload("single-file", "counting-1.8").headers()

    assert headers["payload_type"] == "single-file"
    assert json.loads(headers["header-info"])["artifact_provides"] == {"artifact_name": "counting-1.8"}
    assert json.loads(headers["type-info"]) == {"type": "single-file"}
    assert headers["meta-data"] == ""


def test_what_an_artifact_brought_is_passed_on_as_it_was() -> None:
    payload = Payload("t", "n", meta='{"a": 1}', header_info='{"h":1}', type_info='{"t":1}')

    assert (payload.headers()["meta-data"], payload.headers()["header-info"]) == ('{"a": 1}', '{"h":1}')
