"""Question and answer survive the pipe, and nothing else does."""

from __future__ import annotations

import pytest

from surefoot_agent.trust_talk import Answer, Failure, HaltAnswer, Question
from surefoot_shared import wire
from surefoot_shared.errors import Invalid


@pytest.mark.parametrize(
    "value",
    [
        Question("decide", "/state/trust", "cam-17", "rpi5", "AAAA"),
        Answer(halt=HaltAnswer(3, ("0" * 64,))),
        Answer(error=Failure("UntrustedRelease", "metadata_expired", "It has expired.", "Sign again.")),
    ],
)
def test_what_is_said_is_what_is_heard(value: object) -> None:
    assert wire.decode(type(value), wire.encode(value)) == value


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"v": 2}', b'{"decision": {}, "v": 1}', b'{"halt": {"epoch": "x"}, "v": 1}']
)
def test_an_answer_of_another_form_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        wire.decode(Answer, raw)
