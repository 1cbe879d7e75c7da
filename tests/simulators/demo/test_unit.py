"""A service is kept running, can be killed at any instant, and ends for good when it is told to."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_simulators.demo.unit import Unit

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).wait()"


def wait_until(true: Callable[[], object], limit_s: float = 60.0) -> None:
    until_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Unit]]:
    made: list[Unit] = []

    def build(code: str, restart_s: float | None = 0.05, **env: str) -> Unit:
        unit = Unit("test", [sys.executable, "-u", "-c", code], {**os.environ, **env}, tmp_path / "log", restart_s)
        made.append(unit)
        return unit

    yield build
    for unit in made:
        unit.stop(0.5)


def ups(unit: Unit) -> int:
    return unit.log.read_text().count("up") if unit.log.exists() else 0


def test_a_killed_process_is_started_again(make: Callable[..., Unit]) -> None:
    unit = make(SLEEPER)
    unit.start()
    wait_until(lambda: ups(unit) == 1)
    first = unit.pid

    unit.kill()

    wait_until(lambda: ups(unit) == 2)
    assert unit.exits == [-signal.SIGKILL]
    assert unit.pid not in (None, first)


def test_a_process_that_cannot_start_is_tried_again_and_again(make: Callable[..., Unit]) -> None:
    unit = make("raise SystemExit(3)")

    unit.start()

    wait_until(lambda: len(unit.exits) >= 3)
    assert set(unit.exits) == {3}


def test_a_unit_without_restart_runs_once(make: Callable[..., Unit]) -> None:
    unit = make("print('up')", restart_s=None)

    unit.start()

    wait_until(lambda: unit.exits == [0])
    unit.stop()
    assert ups(unit) == 1


def test_a_stopped_unit_is_gone_and_stays_gone(make: Callable[..., Unit]) -> None:
    unit = make(SLEEPER)
    unit.start()
    wait_until(lambda: ups(unit) == 1)
    pid = unit.pid
    assert pid is not None

    unit.stop()

    assert not unit.alive
    assert unit.exits == [-signal.SIGTERM]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_ignores_sigterm_is_killed(make: Callable[..., Unit]) -> None:
    unit = make(STUBBORN)
    unit.start()
    wait_until(lambda: ups(unit) == 1)

    unit.stop(wait_s=0.2)

    assert unit.exits == [-signal.SIGKILL]


def test_its_children_are_killed_with_it(make: Callable[..., Unit]) -> None:
    unit = make(PARENT)
    unit.start()
    wait_until(lambda: ups(unit) == 1)
    group = unit.pid
    assert group is not None

    unit.kill()
    unit.stop()

    wait_until(lambda: not _group_lives(group))
    assert not unit.alive


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_changed_variable_is_seen_by_the_next_start_only(make: Callable[..., Unit]) -> None:
    unit = make("import os, time; print('<' + os.environ.get('MOOD', '') + '>', flush=True); time.sleep(60)")
    unit.start()
    wait_until(lambda: unit.log.exists() and "<>" in unit.log.read_text())

    unit.set_env("MOOD", "broken")
    unit.kill()
    wait_until(lambda: "<broken>" in unit.log.read_text())
    unit.set_env("MOOD", None)
    unit.kill()

    wait_until(lambda: unit.log.read_text().split() == ["<>", "<broken>", "<>"])
    assert unit.alive


def test_stopping_what_never_started_is_harmless(make: Callable[..., Unit]) -> None:
    unit = make(SLEEPER)

    unit.stop()

    assert not unit.alive
    assert unit.exits == []
