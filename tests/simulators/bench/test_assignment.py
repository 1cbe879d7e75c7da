"""The seconds of an attempt are counted without its soak, and only where it was committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.errors import InstallFailed
from surefoot_simulators.bench import assignment
from surefoot_simulators.bench.site import Attempt


def test_the_soak_that_was_proved_is_taken_off() -> None:
    attempt = Attempt("cam-01", "committed", None, seconds=14.5, soak_s=10.0)

    assert assignment.without_soak(attempt) == pytest.approx(4.5)


@pytest.mark.parametrize("outcome", ["reverted", "failed", "lost", "superseded", None])
def test_an_attempt_that_was_not_committed_has_no_figure(outcome: str | None) -> None:
    with pytest.raises(InstallFailed, match="not committed"):
        assignment.without_soak(Attempt("cam-01", outcome, "health_failed", seconds=3.0, soak_s=0.0))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_device_is_measured_and_its_soak_is_not_in_the_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment, "VERSIONS", (("1.1", 101),))
    said: list[str] = []

    (figure,) = assignment.measure(tmp_path, said.append)

    assert 0.5 < figure.value < 120
    assert figure.unit == "s"
    assert "1.1 committed" in said[0]
