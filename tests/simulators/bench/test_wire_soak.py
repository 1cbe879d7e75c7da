"""A short soak of a small fleet in every run of CI, and what its words are made of; `make soak` does a thousand."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import wire_soak
from surefoot_simulators.bench.wire_soak import Plan, Soaked


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(600)
def test_no_event_is_lost_through_rollouts_faults_and_two_deaths(tmp_path: Path) -> None:
    seen = wire_soak.play(tmp_path, Plan(40, 2, 1, server={1}, broker={2}), print)

    assert seen.wrong == []
    assert seen.events >= 40 * 8
    assert len(seen.states) == 2
    assert (seen.struck["server killed"], seen.struck["broker killed"]) == (1, 1)


def test_the_long_plan_kills_the_server_early_and_the_broker_to_the_end() -> None:
    plan = Plan.long(1000, 30, 1)

    assert max(plan.server) < 15 < max(plan.broker)
    assert min(len(plan.server), len(plan.broker)) >= 3


def test_what_was_seen_is_one_line() -> None:
    seen = Soaked([], 800, 12.0, ["succeeded", "failed"], [100.0, 110.0], {"cable pulled": 3})

    assert str(seen) == "800 events in 12 s, 1 of 2 rollouts succeeded, server 100 to 110 MiB; 3 × cable pulled"


def test_what_is_wrong_ends_with_1_and_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wire_soak, "play", lambda *_: Soaked(["cam-1: events [3] of 8 were never stored"]))

    assert wire_soak.main(["--devices", "3", "--rollouts", "1"]) == 1
    assert "events [3] of 8" in capsys.readouterr().out


def test_what_is_right_ends_with_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(wire_soak, "play", lambda *_: Soaked())

    assert wire_soak.main([]) == 0
    assert "every event is stored once" in capsys.readouterr().out
