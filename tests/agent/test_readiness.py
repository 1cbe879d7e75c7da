from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import guard, readiness
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.node import only_one
from surefoot_agent.privileged import inquiry
from surefoot_agent.readiness import IDENTITY_FILES, Facts, Finding, check, judge, observe
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
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A node that is ready: identity, both folders, a sealed release in A, an agent and a guard at work."""
    for name in IDENTITY_FILES:
        guard.write_file(_folder(tmp_path / "identity") / name, b"x", 0o600)
    component = tmp_path / "app"
    slots, boot = DirectorySlots(component), SymlinkBoot(component)
    install(slots, SlotName.A, release({"bin/app": b"x"}), {"bin/app": b"x"})
    boot.set_state(SlotName.A, SlotState.GOOD)
    with only_one(tmp_path), (component / "guard.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Settings(state_dir=tmp_path)


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
        ({"agent_active": False}, "agent"),
        ({"guard_active": False}, "guard"),
        ({"programs_problem": "not executable"}, "programs"),
        ({"read": {"A": "1 files of slot A are not as signed: x.", "B": None}}, "read"),
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


def test_a_node_that_is_not_enrolled_is_not_told_that_nothing_runs() -> None:
    bare = replace(GOOD, identity=dict.fromkeys(IDENTITY_FILES), agent_active=False, guard_active=False)

    assert not {"agent", "guard"} & failing(judge(bare))


def test_the_slot_on_trial_is_marked_bad_on_purpose() -> None:
    on_trial = replace(GOOD, current="B", states={"A": "good", "B": "bad"}, releases={"A": "1.0", "B": "1.1"})

    assert failing(judge(on_trial)) == {"slots"}
    assert failing(judge(replace(on_trial, on_trial="B"))) == set()


@pytest.mark.slow
def test_a_boot_control_whose_record_is_garbled_is_found(settings: Settings) -> None:
    for generation in (0, 1):
        (settings.state_dir / "app" / f"boot.{generation}").write_bytes(b"garbage")

    assert failing(check(settings)) == {"slots"}


def test_what_an_agent_before_ours_left_is_what_the_slots_hold() -> None:
    taken_over = replace(GOOD, states={"A": "good", "B": "good"}, releases={"A": None, "B": None})

    assert failing(judge(taken_over)) == {"slots"}
    adopted = judge(replace(taken_over, adopted={"A": "2024.1"}))
    assert failing(adopted) == set()
    assert "A: good, 2024.1" in next(finding.message for finding in adopted if finding.name == "slots")


def test_slots_are_read_back_where_asked_and_left_as_they_are(settings: Settings) -> None:
    folder, slots = settings.state_dir / "app", DirectorySlots(settings.state_dir / "app")
    program = slots.path(SlotName.A) / "bin/app"
    fine = _named(observe(settings, ComponentSettings(), read=True))
    program.chmod(0o755)
    program.write_bytes(b"y")
    before = snapshot(folder)

    rotten = _named(observe(settings, ComponentSettings(), read=True))

    assert fine["read"].ok
    assert not rotten["read"].ok
    assert "bin/app" in rotten["read"].message
    assert snapshot(folder) == before
    assert "read" not in _named(observe(settings, ComponentSettings()))


def _named(facts: Facts) -> dict[str, Finding]:
    return {finding.name: finding for finding in judge(facts)}


def test_a_required_program_that_cannot_run_is_found(settings: Settings, tmp_path: Path) -> None:
    program = _folder(_folder(tmp_path / "check") / "required.d") / "lens.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)

    found = _named(observe(replace(settings, check_dir=tmp_path / "check", greenboot="off"), ComponentSettings()))

    assert not found["programs"].ok
    assert "lens.sh cannot run: it is not executable" in found["programs"].message


def test_a_board_in_two_halves_is_looked_at_by_the_half_that_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(_settings: Settings, component: ComponentSettings) -> inquiry.Board:
        asked.append(component.name)
        return inquiry.Board((Finding("boot", True, "Slot B runs."),), "B", {"A": "good", "B": "good"})

    monkeypatch.setattr(inquiry, "board_of", answer)
    told = ComponentSettings(kind="image", boot="uboot", slot_a="/dev/closed-a", slot_b="/dev/closed-b")
    settings = Settings(
        state_dir=tmp_path, helper_dir=tmp_path / "helper", helper_socket="/no.sock", components={"rootfs": told}
    )

    found = {finding.name: finding for finding in check(settings)}

    assert asked == ["rootfs"]
    assert found["boot"].message == "Slot B runs."
    assert not {"devices", "current", "panic"} & found.keys()  # of which this half sees nothing
    assert "B: good" in found["slots"].message


def test_a_helper_that_is_away_is_the_one_thing_that_is_wrong(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiry, "PATIENCE_S", 0.0)
    split = replace(settings, helper_dir=tmp_path, helper_socket=str(tmp_path / "nobody.sock"))
    with socket.socket() as application:
        application.bind(("127.0.0.1", 0))
        application.listen()
        (tmp_path / "app" / "metrics_port").write_text(str(application.getsockname()[1]))

        found = check(split)

    assert failing(found) == {"helper"}
    assert "helper" not in {finding.name for finding in check(settings)}


def test_a_guard_that_does_not_start_in_time_is_said_in_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "GUARD_TIMEOUT_S", 0.0001)

    found = {finding.name: finding for finding in check(settings)}

    assert not found["guard"].ok
    assert found["guard"].message.startswith("The guard does not say within")


def framed(body: bytes) -> bytes:
    """A whole frame around whatever."""
    head = struct.pack(">4sQI", guard.MAGIC, 1, len(body)) + body
    return head + struct.pack(">I", zlib.crc32(head))


ODD = {
    "the component is a file": lambda state: (shutil.rmtree(state / "app"), (state / "app").write_text("x")),
    "a record is a folder": lambda state: (state / "app" / "trial.0").mkdir(),
    "a record is of no attempt": lambda state: guard.save_record(state / "app", "trial", {"assignment": 1}),
    "a record is no JSON": lambda state: (state / "app" / "trial.0").write_bytes(framed(b"\xff{")),
    "the port is junk": lambda state: (state / "app" / "metrics_port").write_bytes(b"\xff"),
    "the port is none": lambda state: (state / "app" / "metrics_port").write_text("99999999"),
    "the set's record is another's": lambda state: (
        guard.save_record(state / "app", "trial", {"set": "s", "verdict": None}),
        _folder(state / "joint"),
        guard.save_record(state / "joint", "trial", {"x": 1}),
    ),
}
UNREADABLE = {"the component is a file", "a record is a folder"}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_state_is_told_as_a_finding_beside_all_others(settings: Settings, name: str) -> None:
    ODD[name](settings.state_dir)

    findings = check(settings)

    assert {"identity", "state", "journal", "slots", "room", "clock", "guard", "port"} <= {f.name for f in findings}
    assert ("journal" in failing(findings)) == (name in UNREADABLE)


def test_looking_makes_no_folder_that_was_not_there(settings: Settings) -> None:
    """The disk of a camera that is looked at may have become read-only."""
    folder = settings.state_dir / "app" / "slots" / "B"
    folder.rmdir()

    findings = check(settings)

    assert not folder.exists()
    assert "room" not in failing(findings)
