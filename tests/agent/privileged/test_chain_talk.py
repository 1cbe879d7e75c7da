"""What is asked of the verification child and answered by it comes out as it went in."""

from __future__ import annotations

import pytest

from surefoot_agent.privileged.chain_talk import Answer, Listed, Proof, Question
from surefoot_agent.trust_talk import Failure
from surefoot_shared import wire
from surefoot_shared.release import SlotKind, TargetNote
from surefoot_shared.trust.floors import Seen
from surefoot_shared.trust.policy import Policy

NOTE = TargetNote("app", "1.1", 101, 1, ("x86",), SlotKind.TREE, 1000, 10)
PROOF = Proof(1, Policy("app"), {"image.targets": Seen(4, "0011223344556677")}, listed=Listed(NOTE, 321))
REFUSED = Answer(error=Failure("UntrustedRelease", "metadata_expired", "The signature expired.", "Refresh it."))


@pytest.mark.parametrize("said", [Answer(proof=PROOF), REFUSED])
def test_an_answer_is_read_as_it_was_written(said: Answer) -> None:
    assert wire.decode(Answer, wire.encode(said)) == said


def test_a_question_is_read_as_it_was_written() -> None:
    asked = Question("app", "ab" * 32, "cm9vdA==", ("bmV3ZXI=",), "dA==", "cg==", "2026-03-01T12:00:00Z")

    assert wire.decode(Question, wire.encode(asked)) == asked
