"""The application's data in the hands of the privileged half: carried there and back by its own trial record.

Promises: whatever the agent says, the attempt, the slots and the commands are those of the trial record and of the
releases that this side proved and sealed; the release on trial is refused its start until the data are there, the old
one until they are back (`gate`); the way back has its verdict before anything moves; what was done is not done again.
What an agent that was taken over can still do is to ask for the next step, or for none. Raises what `carry` and `gate`
raise.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from surefoot_agent import carry
from surefoot_agent.carry import Bearer, Move
from surefoot_agent.privileged import gate
from surefoot_agent.privileged.talk import Reply, Request, Verb, Wire
from surefoot_agent.trial import Trial, TrialFile, Verdict
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName


class DataVerbs:
    """`view` is what the device shows at this moment; under `alone` nobody writes, arms, enters or commits."""

    def __init__(
        self,
        bearer: Bearer,
        trials: TrialFile,
        view: Callable[[], gate.View],
        alone: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._bearer, self._trials, self._view, self._alone = bearer, trials, view, alone

    def acts(self) -> dict[Verb, Callable[[Request, Wire], Reply]]:
        return {
            Verb.DATA: self._look,
            Verb.CARRY_THERE: self._there,
            Verb.CARRY_BACK: self._back,
            Verb.CARRY_COMMIT: self._commit,
            Verb.CARRY_FINISH: self._finish,
        }

    def _look(self, request: Request, _: Wire) -> Reply:
        """How large a copy would be, and whether it has room; the data are closed to whoever asks."""
        size_bytes, why = self._bearer.data.size_bytes(), ""
        try:
            self._bearer.data.room()
        except InstallFailed as error:
            why = error.message
        return Reply(yes=not why, size_bytes=size_bytes, text=why)

    def _there(self, request: Request, _: Wire) -> Reply:
        with self._alone(), self._trials.lock():
            carry.there(self._bearer, move_of(gate.may_carry_there(self._view())))
        return Reply(yes=True)

    def _back(self, request: Request, _: Wire) -> Reply:
        """The verdict comes first: data that went back are no ground for the release on trial to be entered again."""
        with self._alone(), self._trials.lock():
            trial = self._asked(request)
            if trial is None or not (trial := gate.may_carry_back(self._view())):
                return Reply()
            reason = trial.reason or "boot_failed"
            held = self._trials.decide(trial.assignment, trial.attempt, Verdict.UNHEALTHY, reason)
            if held is None or held.verdict is Verdict.HEALTHY:  # that of its set, a moment ago
                return Reply()
            carry.back(self._bearer, move_of(trial))
        return Reply(yes=True)

    def _commit(self, request: Request, _: Wire) -> Reply:
        with self._alone(), self._trials.lock():
            if self._asked(request) is None:
                return Reply()
            carry.commit(self._bearer, move_of(gate.may_carry_on(self._view())))
        return Reply(yes=True)

    def _finish(self, request: Request, _: Wire) -> Reply:
        """Beside the application, so not under the trial lock, which keeps it from being started again."""
        with self._alone():
            gate.may_finish(self._view())
            carry.finish(self._bearer)
        return Reply(yes=True)

    def _asked(self, request: Request) -> Trial | None:
        """The trial on record, if it is the one that is meant; an agent that lost its journal means whichever it is."""
        if request.assignment:
            return self._trials.of(request.assignment, request.attempt)
        return self._trials.read()


def move_of(trial: Trial) -> Move:
    return Move(trial.assignment, trial.attempt, SlotName(trial.slot), SlotName(trial.previous))
