"""Requests for a token: well-formed or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.tokens import DeviceToken, TokenRequest

ASKED = TokenRequest("cam-1", "stream", 1, "nonce", "2026-03-01T12:00:00Z")


def test_a_request_and_its_answer_travel_unchanged() -> None:
    for value in (ASKED, DeviceToken("text", 3600.0)):
        assert wire.decode(type(value), wire.encode(value)) == value


@pytest.mark.parametrize(
    "change", [{"seq": 0}, {"seq": 2**63}, {"stream": ""}, {"stream": "s" * 51}, {"nonce": ""}, {"nonce": "n" * 65}]
)
def test_a_request_out_of_range_is_none(change: dict[str, object]) -> None:
    raw = wire.encode({**wire.parse(wire.encode(ASKED)), **change})

    with pytest.raises(Invalid):
        wire.decode(TokenRequest, raw)
    with pytest.raises(ValueError):
        replace(ASKED, **change)  # type: ignore[arg-type]
