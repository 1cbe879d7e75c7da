"""Orders that the server cannot sign: nothing is ordered while it cannot, and what nobody was told is taken back. Pure.

Promises: an order that could not be signed counts in no phase, uses up no try and is no device's failure; it is given
again once the server can sign, after a while that grows with each time. While nothing can be signed no phase is held
for having waited too long: that says nothing of the devices.
"""

from __future__ import annotations

from collections.abc import Iterator

from surefoot_server.rollouts.decisions import Recall
from surefoot_server.rollouts.facts import AttemptFact, Facts
from surefoot_server.rollouts.retries import Failure, Retries, wait_s
from surefoot_shared.status import AttemptState


def untold(attempt: AttemptFact) -> bool:
    """The device was never told of it, so no clock of it runs."""
    return attempt.outcome is None and attempt.state is AttemptState.OFFERED and bool(attempt.unsigned)


def recalls(retries: Retries, facts: Facts) -> Iterator[Recall]:
    """Whoever's order could not be signed."""
    for member in facts.members:
        attempt = member.attempt
        if attempt is not None and member.revert is None and not member.claimed_by and untold(attempt):
            why = f"its order could not be signed: {attempt.unsigned}; it is ordered again once that is possible"
            yield Recall(member.device, why, Failure.SERVER.value, wait_s(retries, member))
