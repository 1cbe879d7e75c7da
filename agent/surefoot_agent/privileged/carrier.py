"""The agent's side of the application's data: how much there is, and each step with them, is asked of the other half.

Promises: no file of the data is looked at here; an answer is awaited for as long as the data of both slots' releases
may take.
"""

from __future__ import annotations

from pathlib import Path

from surefoot_agent import carry
from surefoot_agent.carry import Bearer, Move
from surefoot_agent.data import DataFolder, Phase
from surefoot_agent.privileged.proxies import ANSWER_S, Line, unreachable
from surefoot_agent.privileged.talk import Reply, Verb
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName

MOVING = (Phase.KEPT, Phase.GOING_BACK, Phase.GONE_BACK)


class PrivilegedData(DataFolder):
    """The record of the data is read here; the data themselves belong to another user."""

    def __init__(self, component_dir: Path, line: Line) -> None:
        super().__init__(component_dir)
        self._line = line

    def size_bytes(self) -> int:
        return self._look().size_bytes or 0

    def room(self) -> None:
        said = self._look()
        if not said.yes:
            raise InstallFailed("no_space", said.text or "The data have no room for a copy.")

    def _look(self) -> Reply:
        reply = self._line.ask(Verb.DATA)
        if reply.size_bytes is None:
            raise unreachable(ValueError("nothing was said of the data"))
        return reply


class PrivilegedCarrier:
    """Carrier port: the other side's trial record says what is moved; what is told here only names it."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def there(self, hands: Bearer, move: Move | None) -> None:
        self._ask(Verb.CARRY_THERE, hands, move)

    def back(self, hands: Bearer, move: Move | None) -> None:
        self._ask(Verb.CARRY_BACK, hands, move)

    def commit(self, hands: Bearer, move: Move | None) -> None:
        self._ask(Verb.CARRY_COMMIT, hands, move)

    def finish(self, hands: Bearer) -> None:
        if carry.unfinished(hands):
            self._ask(Verb.CARRY_FINISH, hands, None)

    def _ask(self, verb: Verb, hands: Bearer, move: Move | None) -> None:
        if not _concerns(hands):
            return
        whose, attempt = (move.assignment, move.attempt) if move else ("", 0)
        wait_s = ANSWER_S + carry.at_most_s(hands)
        self._line.ask(verb, wait_s=wait_s, assignment=whose, attempt=attempt)


def _concerns(hands: Bearer) -> bool:
    """Say whether a release in either slot, or one that was there, has anything to do with the data."""
    installed = map(hands.slots.installed, SlotName)
    kept = hands.data.kept()
    return any(m is not None and m.data is not None for m in installed) or (kept is not None and kept.phase in MOVING)
