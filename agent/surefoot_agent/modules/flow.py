"""What follows what when an Update Module installs a payload: one table, for what went well, failed or was cut short.

Promises: pure; every step has a row for each thing that can happen to it; whatever happens, Cleanup is called in the
end, and nothing is rolled back once ArtifactCommit succeeded. A module that gets nowhere is left after MOST_CALLS, with
the word that the device is inconsistent. State scripts are not part of it: a release has checks of its own.
Source of the order of calls: the documentation of Update Modules, file interface 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

MOST_CALLS = 40
"""More than any sound module needs, rollback with two restarts and a dozen power cuts included."""


class Step(str, Enum):
    """What is called next, by the name the module hears; the first and last two are ours."""

    DOWNLOAD = "Download"
    ASK_ROLLBACK_EARLY = "SupportsRollback, early"
    INSTALL = "ArtifactInstall"
    ASK_REBOOT = "NeedsArtifactReboot"
    REBOOT = "ArtifactReboot"
    VERIFY_REBOOT = "ArtifactVerifyReboot"
    VERDICT = "verdict"
    COMMIT = "ArtifactCommit"
    ASK_ROLLBACK = "SupportsRollback"
    ROLLBACK = "ArtifactRollback"
    ASK_ROLLBACK_REBOOT = "NeedsArtifactReboot, back"
    ROLLBACK_REBOOT = "ArtifactRollbackReboot"
    VERIFY_ROLLBACK_REBOOT = "ArtifactVerifyRollbackReboot"
    FAILURE = "ArtifactFailure"
    CLEANUP = "Cleanup"
    DONE = "done"

    @property
    def call(self) -> str:
        """The module's first argument."""
        return self.value.partition(",")[0]


class Happened(Enum):
    """OK and YES are exit 0 and that answer; CUT is a call that began and of which nobody saw the end."""

    OK = "ok"
    YES = "yes"
    AUTOMATIC = "automatic"
    NO = "no"
    FAILED = "failed"
    CUT = "cut"


class Order(Enum):
    """When SupportsRollback is asked, and whether the module may see file sizes: as client 3 does, or 4 and later."""

    V3 = "3"
    V4 = "4"


@dataclass(frozen=True)
class Attempt:
    """How far one payload has come. `begun`: the call of `step` was made, and its end is not known yet."""

    digest: str
    step: Step = Step.DOWNLOAD
    begun: bool = False
    automatic: bool = False
    """The restart is ours to make, not the module's."""
    restarts: bool = False
    """It asked for a restart, by whomever."""
    supports: bool | None = None
    """The early answer to SupportsRollback."""
    committed: bool = False
    consistent: bool = True
    """The device is as before, or wholly new; else nobody can say what it runs."""
    reason: str = ""
    calls: int = 0


QUERIES = {Step.ASK_ROLLBACK_EARLY, Step.ASK_REBOOT, Step.ASK_ROLLBACK, Step.ASK_ROLLBACK_REBOOT}
ASKS_REBOOT = {Step.ASK_REBOOT, Step.ASK_ROLLBACK_REBOOT}
_S, _H = Step, Happened
# fmt: off
NEXT: dict[tuple[Step, Happened], Step] = {
    (_S.DOWNLOAD, _H.OK):                    _S.INSTALL,
    (_S.DOWNLOAD, _H.FAILED):                _S.CLEANUP,
    (_S.DOWNLOAD, _H.CUT):                   _S.CLEANUP,
    (_S.ASK_ROLLBACK_EARLY, _H.YES):         _S.INSTALL,
    (_S.ASK_ROLLBACK_EARLY, _H.NO):          _S.INSTALL,
    (_S.ASK_ROLLBACK_EARLY, _H.FAILED):      _S.CLEANUP,
    (_S.ASK_ROLLBACK_EARLY, _H.CUT):         _S.CLEANUP,
    (_S.INSTALL, _H.OK):                     _S.ASK_REBOOT,
    (_S.INSTALL, _H.FAILED):                 _S.ASK_ROLLBACK,
    (_S.INSTALL, _H.CUT):                    _S.ASK_ROLLBACK,
    (_S.ASK_REBOOT, _H.NO):                  _S.VERDICT,
    (_S.ASK_REBOOT, _H.YES):                 _S.REBOOT,
    (_S.ASK_REBOOT, _H.AUTOMATIC):           _S.REBOOT,
    (_S.ASK_REBOOT, _H.FAILED):              _S.ASK_ROLLBACK,
    (_S.ASK_REBOOT, _H.CUT):                 _S.ASK_ROLLBACK,
    (_S.REBOOT, _H.OK):                      _S.VERIFY_REBOOT,
    (_S.REBOOT, _H.CUT):                     _S.VERIFY_REBOOT,
    (_S.REBOOT, _H.FAILED):                  _S.ASK_ROLLBACK,
    (_S.VERIFY_REBOOT, _H.OK):               _S.VERDICT,
    (_S.VERIFY_REBOOT, _H.FAILED):           _S.ASK_ROLLBACK,
    (_S.VERIFY_REBOOT, _H.CUT):              _S.ASK_ROLLBACK,
    (_S.VERDICT, _H.OK):                     _S.COMMIT,
    (_S.VERDICT, _H.FAILED):                 _S.ASK_ROLLBACK,
    (_S.COMMIT, _H.OK):                      _S.CLEANUP,
    (_S.COMMIT, _H.FAILED):                  _S.ASK_ROLLBACK,
    (_S.COMMIT, _H.CUT):                     _S.ASK_ROLLBACK,
    (_S.ASK_ROLLBACK, _H.YES):               _S.ROLLBACK,
    (_S.ASK_ROLLBACK, _H.NO):                _S.FAILURE,
    (_S.ASK_ROLLBACK, _H.FAILED):            _S.FAILURE,
    (_S.ASK_ROLLBACK, _H.CUT):               _S.ASK_ROLLBACK,
    (_S.ROLLBACK, _H.OK):                    _S.ASK_ROLLBACK_REBOOT,
    (_S.ROLLBACK, _H.FAILED):                _S.FAILURE,
    (_S.ROLLBACK, _H.CUT):                   _S.ROLLBACK,
    (_S.ASK_ROLLBACK_REBOOT, _H.NO):         _S.FAILURE,
    (_S.ASK_ROLLBACK_REBOOT, _H.YES):        _S.ROLLBACK_REBOOT,
    (_S.ASK_ROLLBACK_REBOOT, _H.AUTOMATIC):  _S.ROLLBACK_REBOOT,
    (_S.ASK_ROLLBACK_REBOOT, _H.FAILED):     _S.FAILURE,
    (_S.ASK_ROLLBACK_REBOOT, _H.CUT):        _S.ASK_ROLLBACK_REBOOT,
    (_S.ROLLBACK_REBOOT, _H.OK):             _S.VERIFY_ROLLBACK_REBOOT,
    (_S.ROLLBACK_REBOOT, _H.FAILED):         _S.VERIFY_ROLLBACK_REBOOT,
    (_S.ROLLBACK_REBOOT, _H.CUT):            _S.VERIFY_ROLLBACK_REBOOT,
    (_S.VERIFY_ROLLBACK_REBOOT, _H.OK):      _S.FAILURE,
    (_S.VERIFY_ROLLBACK_REBOOT, _H.FAILED):  _S.ROLLBACK_REBOOT,
    (_S.VERIFY_ROLLBACK_REBOOT, _H.CUT):     _S.VERIFY_ROLLBACK_REBOOT,
    (_S.FAILURE, _H.OK):                     _S.CLEANUP,
    (_S.FAILURE, _H.FAILED):                 _S.CLEANUP,
    (_S.FAILURE, _H.CUT):                    _S.FAILURE,
    (_S.CLEANUP, _H.OK):                     _S.DONE,
    (_S.CLEANUP, _H.FAILED):                 _S.DONE,
    (_S.CLEANUP, _H.CUT):                    _S.CLEANUP,
}
"""(what was called, what came of it) → what is called next."""
# fmt: on
BREAKS = {
    (_S.COMMIT, _H.CUT),  # it may have held, and then there may be nothing left that its rollback could take back
    (_S.ASK_ROLLBACK, _H.NO),
    (_S.ASK_ROLLBACK, _H.FAILED),
    (_S.ROLLBACK, _H.FAILED),
    (_S.ASK_ROLLBACK_REBOOT, _H.FAILED),
    (_S.FAILURE, _H.FAILED),
}
"""After these nobody can say what the device runs."""


def begin(attempt: Attempt) -> Attempt:
    """Note, before the call, that it is made."""
    return replace(attempt, begun=True, calls=attempt.calls + 1)


def after(attempt: Attempt, happened: Happened, order: Order = Order.V4, reason: str = "") -> Attempt:
    """Return where the attempt goes from what came of its step."""
    step, at = attempt.step, (attempt.step, happened)
    following = NEXT[at]
    if step is Step.DOWNLOAD and happened is Happened.OK and order is Order.V3:
        following = Step.ASK_ROLLBACK_EARLY
    attempt = replace(
        attempt,
        automatic=happened is Happened.AUTOMATIC if step in QUERIES else attempt.automatic,
        restarts=attempt.restarts or (step in ASKS_REBOOT and happened in (Happened.YES, Happened.AUTOMATIC)),
        supports=happened is Happened.YES if step is Step.ASK_ROLLBACK_EARLY else attempt.supports,
        committed=attempt.committed or at == (Step.COMMIT, Happened.OK),
        consistent=attempt.consistent and at not in BREAKS,
        reason=attempt.reason or reason,
    )
    if following is Step.ASK_ROLLBACK and attempt.supports is not None:
        return after(replace(attempt, step=following), Happened.YES if attempt.supports else Happened.NO)
    if attempt.calls >= MOST_CALLS and following is not Step.DONE:
        last = Step.DONE if step is Step.CLEANUP else Step.CLEANUP
        return replace(attempt, step=last, begun=False, consistent=False)
    return replace(attempt, step=following, begun=False)


def resumed(attempt: Attempt, order: Order = Order.V4) -> Attempt:
    """Return where an attempt goes on of which the last call may have been cut short."""
    if not attempt.begun:
        return attempt
    return after(attempt, Happened.CUT, order, f"The agent or the power went during {attempt.step.call}.")


def answer(code: int, lines: list[str], automatic: bool) -> Happened:
    """Read the one line that a query may print; nothing means no, and anything else is a failure."""
    words = {"": Happened.NO, "No": Happened.NO, "Yes": Happened.YES}
    if automatic:
        words["Automatic"] = Happened.AUTOMATIC
    if code != 0 or len(lines) > 1:
        return Happened.FAILED
    return words.get(lines[0] if lines else "", Happened.FAILED)
