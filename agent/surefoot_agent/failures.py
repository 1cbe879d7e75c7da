"""What failed work means for its attempt: refused, failed, or to be done again because the helper was away.

Promises: pure. A release is refused where the device does not take it, and failed where it was tried and could not be
installed; that the privileged half died or was busy says nothing about a release, so it never ends an attempt.
"""

from __future__ import annotations

from surefoot_agent import carry
from surefoot_agent import events as e
from surefoot_shared.errors import SurefootError, UntrustedRelease
from surefoot_shared.status import Outcome

REFUSED = frozenset({"no_space", "wrong_hardware", "halted", "probation_too_long", "check_not_run", *carry.REFUSED})
"""Kinds that mean the device does not take this release, as against one that it tried and could not install."""
AGAIN = frozenset({"helper_unreachable", "busy"})
"""Kinds after which the same order is given once more: every effect may run twice."""
WAITS = "The privileged half does not answer; the step is repeated until it does."


def again(error: SurefootError | OSError) -> bool:
    """Say whether the work is to be done once more, however often it takes. The guard's budget is the bound."""
    return isinstance(error, SurefootError) and error.kind in AGAIN


def step_failed(error: SurefootError | OSError) -> e.StepFailed:
    kind = error.kind if isinstance(error, SurefootError) else "slot_write_failed"
    refused = kind in REFUSED or isinstance(error, UntrustedRelease)
    return e.StepFailed(Outcome.REFUSED if refused else Outcome.FAILED, kind, str(error))
