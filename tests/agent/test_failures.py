from __future__ import annotations

import pytest

from surefoot_agent import failures
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable, UntrustedRelease
from surefoot_shared.status import Outcome


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (InstallFailed("no_space", "."), Outcome.REFUSED, "no_space"),
        (UntrustedRelease("target_mismatch", "."), Outcome.REFUSED, "target_mismatch"),
        (InstallFailed("slot_corrupt", "."), Outcome.FAILED, "slot_corrupt"),
        (OSError(28, "No space left on device"), Outcome.FAILED, "slot_write_failed"),
    ],
)
def test_what_the_device_does_not_take_is_refused_and_what_it_could_not_install_failed(
    error: SurefootError | OSError, outcome: Outcome, reason: str
) -> None:
    failed = failures.step_failed(error)

    assert (failed.outcome, failed.reason) == (outcome, reason)
    assert not failures.again(error)


@pytest.mark.parametrize("error", [InstallFailed("helper_unreachable", "."), Unreachable("busy", ".")])
def test_a_helper_that_is_away_or_busy_says_nothing_about_a_release(error: SurefootError) -> None:
    assert failures.again(error)
