from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.readiness import IDENTITY_FILES, Facts, Finding, check, judge
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.status import SlotName, SlotState
from tests.agent.trees import install, release, snapshot

GOOD = Facts(
    identity=dict.fromkeys(IDENTITY_FILES, 384),
    state_problem=None,
    current="A",
    states={"A": "good", "B": "empty"},
    releases={"A": "1.0", "B": None},
    room_problem=None,
    clock_s=1_000_000.0,
    clock_floor_s=999_000.0,
    guard_problem=None,
    port_problem=None,
)


def failing(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.name for finding in findings if not finding.ok}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A node that is ready: identity, both folders, a sealed release in A."""
    for name in IDENTITY_FILES:
        guard.write_file(_folder(tmp_path / "identity") / name, b"x", 0o600)
    component = tmp_path / "app"
    slots, boot = DirectorySlots(component), SymlinkBoot(component)
    install(slots, SlotName.A, release({"bin/app": b"x"}), {"bin/app": b"x"})
    boot.set_state(SlotName.A, SlotState.GOOD)
    return Settings(state_dir=tmp_path)


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def test_a_node_without_faults_has_only_good_findings() -> None:
    assert failing(judge(GOOD)) == set()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"identity": {**GOOD.identity, "device.crt": None}}, "identity"),
        ({"identity": {**GOOD.identity, "device.key": 0o644}}, "key"),
        ({"state_problem": "read-only"}, "state"),
        ({"current": None}, "current"),
        ({"states": {"A": "bad", "B": "empty"}}, "slots"),
        ({"states": {"A": "good", "B": "good"}}, "slots"),
        ({"room_problem": "too little"}, "room"),
        ({"clock_s": 0.0}, "clock"),
        ({"guard_problem": "broken"}, "guard"),
        ({"port_problem": "held"}, "port"),
    ],
)
def test_each_fault_has_its_own_finding_with_a_hint(change: Mapping[str, object], name: str) -> None:
    findings = judge(replace(GOOD, **change))  # type: ignore[arg-type]

    assert failing(findings) == {name}
    assert all(finding.hint for finding in findings if not finding.ok)


def test_a_clock_that_is_a_little_behind_is_fine() -> None:
    assert failing(judge(replace(GOOD, clock_s=GOOD.clock_floor_s - 5))) == set()


def test_all_faults_are_reported_at_once() -> None:
    bad = replace(GOOD, current=None, guard_problem="x", port_problem="y", clock_s=0.0)

    assert failing(judge(bad)) == {"current", "guard", "port", "clock"}


@pytest.mark.slow
def test_a_real_node_is_found_ready_and_left_as_it_was(settings: Settings) -> None:
    before = snapshot(settings.state_dir)

    findings = check(settings)

    assert failing(findings) == set()
    assert snapshot(settings.state_dir) == before


@pytest.mark.slow
def test_a_node_that_was_never_set_up_says_everything_it_lacks(tmp_path: Path) -> None:
    findings = check(Settings(state_dir=tmp_path / "absent"))

    assert failing(findings) == {"identity", "key", "state", "current"}


@pytest.mark.slow
def test_a_key_that_others_may_read_is_found(settings: Settings) -> None:
    os.chmod(settings.state_dir / "identity" / "device.key", 0o644)

    assert failing(check(settings)) == {"key"}


@pytest.mark.slow
def test_too_little_room_for_a_second_copy_is_found(settings: Settings) -> None:
    assert failing(check(replace(settings, reserve_bytes=1 << 60))) == {"room"}


@pytest.mark.slow
def test_a_port_held_by_another_program_is_found(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        findings = check(replace(settings, metrics_port=other.getsockname()[1]))

    assert failing(findings) == {"port"}


@pytest.mark.slow
def test_a_guard_that_cannot_run_alone_is_found(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "guard.py"
    broken.write_text("import surefoot_agent_that_is_not_there\n")
    monkeypatch.setattr(guard, "__file__", str(broken))

    findings = check(settings)

    assert failing(findings) == {"guard"}
    assert "surefoot_agent_that_is_not_there" in next(f.message for f in findings if f.name == "guard")


@pytest.mark.slow
def test_a_torn_seal_of_a_good_slot_is_found(settings: Settings) -> None:
    (settings.state_dir / "app/slots/A.sealed").write_bytes(b"")

    assert failing(check(settings)) == {"slots"}


def test_of_several_components_each_is_looked_at_and_the_node_once(settings: Settings) -> None:
    both = replace(settings, components={"app": ComponentSettings(), "model": ComponentSettings()})

    findings = {finding.name: finding.ok for finding in check(both)}

    assert [name for name in findings if name.endswith("identity")] == ["identity"]
    assert (findings["app.current"], findings["model.current"]) == (True, False)
