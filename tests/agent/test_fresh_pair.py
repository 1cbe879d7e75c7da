"""When a certificate is due, and one look at a time; what a look does to the disk is tested with `renew`."""

from __future__ import annotations

import fcntl
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

from surefoot_agent.fresh_pair import SHARE, due, look

NOW = datetime.now(timezone.utc)


def test_a_certificate_is_renewed_after_two_thirds_of_its_life() -> None:
    begins, life = NOW, timedelta(days=90)

    assert not due(begins, begins + life, begins + life * SHARE - timedelta(seconds=1))
    assert due(begins, begins + life, begins + life * SHARE)
    assert due(begins, begins + life, begins + 2 * life), "also after its end: the device was offline"
    assert not due(begins, begins + life, datetime(1970, 1, 1, tzinfo=timezone.utc)), "a clock that is wrong"


def test_a_certificate_that_was_got_lately_is_not_due_because_the_clock_runs_ahead() -> None:
    begins, life = NOW, timedelta(days=90)
    ahead = NOW + timedelta(days=3650)

    assert due(begins, begins + life, ahead)
    assert not due(begins, begins + life, ahead + timedelta(hours=1), ahead)
    assert not due(begins, begins + life, ahead + life * SHARE - timedelta(seconds=1), ahead)
    assert due(begins, begins + life, ahead + life * SHARE, ahead)
    assert due(begins, begins + life, begins + life * SHARE, ahead), "the clock was put right: the dates count"


def test_a_look_ends_at_once_where_another_is_going_on(tmp_path: Path) -> None:
    folder = tmp_path / "identity"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    assert look(tmp_path, NOW) is False, "an identity is not even looked for"

    os.close(descriptor)
