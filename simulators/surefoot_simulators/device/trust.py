"""Trust of a simulated device: the verification child's own function, called in this process at the board's time.

Promises: every byte goes through the same code as on a device: bundle, python-tuf, match rules, floors, halt lists.
Only the process around it is left out, with its limits: 500 starts of Python a rollout would be all that is measured.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from surefoot_agent import trust_child
from surefoot_agent.trust import FAMILIES, ChildTrust
from surefoot_agent.trust_talk import Answer, Question
from surefoot_shared.errors import UntrustedRelease


class InProcessTrust(ChildTrust):
    """Trust port."""

    def __init__(
        self, folder: Path, device: str, hw: str, utc: Callable[[], datetime], nonces: Callable[[], Sequence[str]]
    ) -> None:
        super().__init__(folder, device, hw, nonces=nonces)
        self._utc = utc

    def _ask(self, verb: str, data: bytes) -> Answer:
        text = base64.b64encode(data).decode()
        question = Question(verb, str(self._folder), self._device, self._hw, text, tuple(self._nonces()))
        answer = trust_child.answer(question, self._utc())
        if failure := answer.error:
            raise FAMILIES.get(failure.family, UntrustedRelease)(failure.kind, failure.message, failure.hint)
        return answer
