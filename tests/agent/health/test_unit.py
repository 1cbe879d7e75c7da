"""The judge of systemd units against what `systemctl show` prints, and the program itself, as a file that prints it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from surefoot_agent.health import unit
from surefoot_agent.health.scene import Memory
from surefoot_shared.release import CheckKind, HealthCheck

SHOWN = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "NRestarts": "3",
    "ActiveEnterTimestampMonotonic": "90000000",
}


def check(**params: str | float) -> HealthCheck:
    return HealthCheck("daemon", CheckKind.UNIT, timeout_s=2.0, params={"unit": "gpsd.service", **params})


def test_an_active_unit_is_well_and_measured() -> None:
    found = unit.judge(check(active_s=10, max_restarts=0), SHOWN, 100.0, 3.0)

    assert (found.good, dict(found.measured)) == (True, {"active_s": 10.0, "restarts": 0.0})


@pytest.mark.parametrize(
    ("shown", "params", "words"),
    [
        ({"LoadState": "not-found"}, {}, "gpsd.service is not-found"),
        ({"LoadState": ""}, {}, "unknown to systemd"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, {}, "is activating (auto-restart)"),
        ({"ActiveState": "failed", "SubState": "failed"}, {}, "is failed"),
        ({"NRestarts": "4"}, {}, "restarted 1 times, 0 allowed"),
        ({"NRestarts": "6"}, {"max_restarts": 2}, "restarted 3 times, 2 allowed"),
        ({}, {"active_s": 10.5}, "active for 10.0 s, 10.5 s are required"),
        ({"ActiveEnterTimestampMonotonic": "garbage", "ActiveState": "inactive"}, {}, "is inactive"),
    ],
)
def test_a_unit_that_is_not_well_says_why(shown: dict[str, str], params: dict[str, float], words: str) -> None:
    found = unit.judge(check(**params), {**SHOWN, **shown}, 100.0, 3.0)

    assert not found.good
    assert words in found.message


def test_a_machine_without_systemd_proves_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unit, "BOOTED", tmp_path / "absent")

    found = unit.look(check(), Memory())

    assert not found.good
    assert "does not run systemd" in found.message


@pytest.fixture
def systemctl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A systemctl that prints a file, on a machine that claims to have booted with systemd."""
    program = tmp_path / "systemctl"
    program.write_text('#!/bin/sh\necho "$@" > "${0%/*}/asked"\ncat "${0%/*}/page"\n')
    program.chmod(0o755)
    monkeypatch.setattr(unit, "BOOTED", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def page(program: Path, **changes: str) -> None:
    now = str(int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6))
    shown = {**SHOWN, "ActiveEnterTimestampMonotonic": now, **changes}
    (program.parent / "page").write_text("".join(f"{key}={value}\n" for key, value in shown.items()))


def test_restarts_count_from_the_first_look_on(systemctl: Path) -> None:
    memory = Memory()
    page(systemctl)
    before = unit.look(check(), memory)
    page(systemctl, NRestarts="4")

    after = unit.look(check(), memory)

    assert (before.good, after.good) == (True, False)
    assert "restarted 1 times" in after.message


def test_the_unit_is_named_behind_the_end_of_options_and_nothing_else_is_asked(systemctl: Path) -> None:
    page(systemctl)

    unit.look(check(), Memory())

    assert (systemctl.parent / "asked").read_text() == f"show --property={unit.PROPERTIES} -- gpsd.service\n"


def test_a_systemctl_that_fails_or_hangs_is_a_failure(systemctl: Path) -> None:
    systemctl.write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    failed = unit.look(check(), Memory())
    systemctl.write_text("#!/bin/sh\nexec sleep 60\n")
    hung = unit.look(HealthCheck("d", CheckKind.UNIT, timeout_s=0.2, params={"unit": "x.service"}), Memory())

    assert (failed.good, failed.output) == (False, "no bus\n")
    assert (hung.good, "no answer within 0.2 s" in hung.message) == (False, True)
