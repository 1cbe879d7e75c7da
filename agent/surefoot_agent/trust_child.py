"""The verification child: reads one question, verifies under resource limits, writes one answer, ends.

Run as `python -I -m surefoot_agent.lean trust_child`. Everything it may change is the trust folder. Its limits are set
before it reads a byte; what exceeds them ends this process and nothing else. A bug is not dressed up: it crashes, with
a traceback.
"""

from __future__ import annotations

import base64
import resource
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from surefoot_agent.joint import together
from surefoot_agent.trust_talk import Answer, HaltAnswer, Question, failure_of
from surefoot_agent.wishes import Decision, Refusal, Wish
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed, SurefootError
from surefoot_shared.trust.fields import DIRECTOR, IMAGE
from surefoot_shared.trust.floors import FloorStore
from surefoot_shared.trust.updater import trusted_root
from surefoot_shared.trust.verify import Verified, accept_halt, decide

MEMORY_LIMIT_BYTES = 1024 * 1024 * 1024
"""Address space, most of it mapped libraries: 40 MB are really used."""
CPU_LIMIT_S = 60
FILE_LIMIT_BYTES = 8 * 1024 * 1024
"""No metadata file and no answer is larger."""
QUESTION_LIMIT_BYTES = 2 * 1024 * 1024


def main(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Answer the question on `stdin`."""
    limit_resources()
    question = wire.decode(Question, stdin.read(QUESTION_LIMIT_BYTES + 1), QUESTION_LIMIT_BYTES)
    stdout.write(wire.encode(answer(question, datetime.now(timezone.utc))))


def limit_resources() -> None:
    """Lower the limits of this process, never raise them."""
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_LIMIT_BYTES),
        (resource.RLIMIT_CPU, CPU_LIMIT_S),
        (resource.RLIMIT_FSIZE, FILE_LIMIT_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        _, hard = resource.getrlimit(limit)
        lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (lowered, lowered))


def answer(question: Question, now: datetime) -> Answer:
    """Verify what was asked at `now`; an expected failure is an answer too."""
    folder, data = Path(question.trust_folder), base64.b64decode(question.data)
    try:
        if question.verb == "rehearse":
            rehearse(folder)
            return Answer()
        if question.verb == "halt":
            return Answer(halt=HaltAnswer(*accept_halt(folder, data, now)))
        return Answer(decision=decision_of(decide(folder, question.device, question.hw, data, now, question.nonces)))
    except OSError as error:
        failed = InstallFailed("no_space", f"The trust folder cannot be written: {error.strerror}.")
        return Answer(error=failure_of(failed))
    except SurefootError as error:
        return Answer(error=failure_of(error))


def rehearse(folder: Path) -> None:
    """Verify both stored chains of roots and read the floors: what a new agent must be able to do. Writes nothing."""
    for repository in (DIRECTOR, IMAGE):
        trusted_root(folder, repository)
    FloorStore(folder).load()


def decision_of(verified: Verified) -> Decision:
    """Say it in the agent's words."""
    wishes = tuple(
        Wish(
            assignment=each.note.assignment,
            component=each.note.component,
            seq=each.note.seq,
            intent=each.note.intent,
            digest=each.digest,
            manifest_size=each.manifest_size,
            note=each.target,
            activate=each.note.activate,
            windows=each.note.windows,
            joint=each.note.joint,
            root=verified.director.root,
            recreate=each.note.recreate,
            shadow=each.note.shadow,
        )
        for each in verified.approved
    )
    refusals = tuple(
        Refusal(
            assignment=each.note.assignment,
            component=each.note.component,
            seq=each.note.seq,
            reason=each.kind,
            message=each.message,
            root=verified.director.root,
        )
        for each in verified.refused
    )
    whole, parted = together(wishes)
    return Decision(
        wishes=whole,
        refusals=(*refusals, *parted),
        director_version=verified.director_version,
        image=verified.image,
        director=verified.director,
        signed_at=verified.signed_at,
        halt_epoch=verified.halt_epoch,
        halted=verified.halted,
        halt_root=verified.halt_root,
    )


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
