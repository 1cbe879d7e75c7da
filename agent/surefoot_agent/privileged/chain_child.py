"""The verification child of the privileged half: one question on stdin, one answer on stdout, then its end.

It parses a stranger's bytes, so it becomes a user who owns nothing before it reads the first of them, without
environment, secrets or open files, under resource limits: a fault in a parser gives its finder a process that may say
one sentence. Refuses a second question. Run: python3 -I -m surefoot_agent.lean privileged.chain_child [UID GID]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import BinaryIO

from surefoot_agent.privileged.chain import prove
from surefoot_agent.privileged.chain_talk import Answer, Question
from surefoot_agent.trust_child import limit_resources
from surefoot_agent.trust_talk import failure_of
from surefoot_shared import wire
from surefoot_shared.errors import SurefootError, UntrustedRelease

QUESTION_LIMIT_BYTES = 8 * 1024 * 1024
"""A root, a chain of newer ones, the top level and a role of a thousand releases, in base64."""


def answer(raw: bytes) -> Answer:
    try:
        return Answer(proof=prove(wire.decode(Question, raw, QUESTION_LIMIT_BYTES)))
    except SurefootError as error:
        return Answer(error=failure_of(error))
    except ValueError as error:  # base64 or a time that is none
        bad = UntrustedRelease("bundle_malformed", f"The metadata cannot be read: {str(error)[:100]}")
        return Answer(error=failure_of(bad))


def give_up_privileges(uid: int, gid: int) -> None:
    """Become another user for good; raises OSError where that is not possible, and nothing is read then."""
    time.strptime("2030", "%Y")  # loads its module now: the packages may be closed to whom we become
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def main(stdin: BinaryIO, stdout: BinaryIO, words: Sequence[str] = ()) -> None:
    limit_resources()
    if words:
        give_up_privileges(int(words[0]), int(words[1]))
    stdout.write(wire.encode(answer(stdin.read(QUESTION_LIMIT_BYTES + 1))))


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer, sys.argv[1:])
