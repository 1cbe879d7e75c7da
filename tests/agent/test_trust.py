"""The agent's trust port, with the real child process; a child that crashes, hangs or lies harms nothing."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from surefoot_agent.ports import Trust
from surefoot_agent.trust import ChildTrust
from surefoot_shared.errors import ConfigError, InstallFailed, SurefootError, Unreachable, UntrustedRelease
from surefoot_shared.release import note_of, parse_manifest
from tests.shared.trust.simulator import DEVICE, HW, DeviceSimulator, FleetSimulator, Keys

pytestmark = pytest.mark.slow  # every test starts at least one process


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator(now=datetime.now(timezone.utc))
    made.release_version("1.1", 101)
    return made


@pytest.fixture
def folder(tmp_path: Path, fleet: FleetSimulator) -> Path:
    return DeviceSimulator(tmp_path / "trust", fleet).folder


def child(folder: Path, *code: str, timeout_s: float = 30.0) -> ChildTrust:
    """Trust whose child is the given Python code instead of the verification."""
    return ChildTrust(folder, DEVICE, HW, timeout_s, (sys.executable, "-I", "-c", "\n".join(code)))


def test_a_verified_bundle_becomes_a_decision(folder: Path, fleet: FleetSimulator) -> None:
    trust: Trust = ChildTrust(folder, DEVICE, HW)
    wish = fleet.wish()

    decision = trust.decide(fleet.bundle(wish))

    (only,) = decision.wishes
    assert (only.assignment, only.component, only.seq) == (wish.note.assignment, "app", wish.note.seq)
    assert (only.digest, only.manifest_size, only.note.version) == (wish.digest, wish.manifest_size, "1.1")
    assert trust.versions() == (decision.image, decision.director)


def test_a_refused_assignment_reaches_the_agent_with_its_reason(folder: Path, fleet: FleetSimulator) -> None:
    fleet.release_version("2.0", 200, hw=("jetson-orin",))

    decision = ChildTrust(folder, DEVICE, HW).decide(fleet.bundle(fleet.wish("2.0")))

    assert [(each.component, each.reason) for each in decision.refusals] == [("app", "wrong_hardware")]


def test_an_untrusted_bundle_is_the_same_error_on_this_side_of_the_pipe(folder: Path, fleet: FleetSimulator) -> None:
    with pytest.raises(UntrustedRelease) as caught:
        ChildTrust(folder, DEVICE, HW).decide(fleet.bundle(device="cam-99"))

    assert caught.value.kind == "wrong_device"
    assert "cam-99" in caught.value.message


def test_a_device_that_was_not_enrolled_says_so(tmp_path: Path, fleet: FleetSimulator) -> None:
    with pytest.raises(ConfigError) as caught:
        ChildTrust(tmp_path / "trust", DEVICE, HW).decide(fleet.bundle())

    assert caught.value.kind == "not_enrolled"


def test_a_rehearsal_proves_that_what_is_held_can_be_verified_and_a_broken_child_fails_it(folder: Path) -> None:
    ChildTrust(folder, DEVICE, HW).rehearse()
    (folder / "bootstrap/director.root.json").write_bytes(b"{}")
    with pytest.raises(SurefootError):
        ChildTrust(folder, DEVICE, HW).rehearse()
    with pytest.raises(UntrustedRelease):
        child(folder, "import nothing_of_that_name").rehearse()


def test_a_halt_list_is_verified_and_stands_in_the_next_decision(folder: Path, fleet: FleetSimulator) -> None:
    trust = ChildTrust(folder, DEVICE, HW)

    assert trust.halt(fleet.halt_list("a" * 64, epoch=7)) == (7, ("a" * 64,), 1)
    assert trust.decide(fleet.bundle()).halted == ("a" * 64,)


@pytest.mark.parametrize("genuine", [True, False])
def test_a_halt_list_that_came_before_its_root_counts_once_the_root_is_here(
    folder: Path, fleet: FleetSimulator, genuine: bool
) -> None:
    trust = ChildTrust(folder, DEVICE, HW)
    trust.halt(fleet.halt_list("a" * 64, epoch=7))
    fleet.halt = Keys.new()
    fleet.sign_director_root()
    with pytest.raises(UntrustedRelease) as caught:
        trust.halt(fleet.halt_list("b" * 64, epoch=3, signers=None if genuine else Keys.new().signers))
    assert caught.value.kind == "metadata_untrusted"

    decision = trust.decide(fleet.bundle())

    seen = (decision.halt_epoch, decision.halted, decision.halt_root)
    assert seen == ((3, ("b" * 64,), 2) if genuine else (7, ("a" * 64,), 1))


def test_a_forged_halt_list_is_refused(folder: Path, fleet: FleetSimulator) -> None:
    with pytest.raises(UntrustedRelease):
        ChildTrust(folder, DEVICE, HW).halt(fleet.halt_list(signers=fleet.director.signers))


def test_a_commit_raises_the_floor_for_the_next_decision(folder: Path, fleet: FleetSimulator) -> None:
    trust = ChildTrust(folder, DEVICE, HW)
    trust.committed(note_of(parse_manifest(fleet.release_version("1.2", 102))), "d" * 64)

    decision = trust.decide(fleet.bundle(fleet.wish("1.1")))

    assert [each.reason for each in decision.refusals] == ["below_counter"]
    assert trust.floors().counter == {"app": 102}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import os; os.abort()", "bundle_malformed"),
        ("raise SystemExit(3)", "bundle_malformed"),
        ("raise RuntimeError('bug')", "bundle_malformed"),
        ("", "bundle_malformed"),
        ("print('nonsense')", "bundle_malformed"),
        ("print('{\"v\": 1}')", "bundle_malformed"),
        ("print('{\"v\": 2}')", "bundle_malformed"),
        ("print('[' * 3_000_000)", "bundle_malformed"),
        ('print(\'{"decision": {"wishes": 3}, "v": 1}\')', "bundle_malformed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "busy"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "busy"),
    ],
)
def test_a_child_that_crashes_or_lies_is_an_error_and_harmless(
    folder: Path, fleet: FleetSimulator, code: str, kind: str
) -> None:
    raw = fleet.bundle(fleet.wish())

    with pytest.raises(SurefootError) as caught:
        child(folder, code).decide(raw)

    assert caught.value.kind == kind
    assert ChildTrust(folder, DEVICE, HW).decide(raw).wishes


def test_a_child_that_hangs_is_ended_and_may_be_tried_again(folder: Path, fleet: FleetSimulator) -> None:
    with pytest.raises(Unreachable) as caught:
        child(folder, "import time; time.sleep(600)", timeout_s=0.3).decide(fleet.bundle())

    assert caught.value.kind == "busy"
    assert "this node" in caught.value.hint  # no server asked for anything


def test_a_child_that_cannot_be_started_may_be_tried_again(folder: Path, fleet: FleetSimulator) -> None:
    with pytest.raises(Unreachable):
        ChildTrust(folder, DEVICE, HW, argv=("/nonexistent/python",)).decide(fleet.bundle())


def test_an_error_family_that_is_unknown_is_taken_as_untrusted(folder: Path) -> None:
    code = """print('{"v":1,"error":{"family":"Surprise","kind":"metadata_expired","message":"m","hint":"h"}}')"""

    with pytest.raises(UntrustedRelease) as caught:
        child(folder, code).halt(b"")

    assert caught.value.kind == "metadata_expired"


def test_a_failure_of_the_devices_own_storage_is_not_blamed_on_the_publisher(
    folder: Path, fleet: FleetSimulator
) -> None:
    for name in ("floors.json", "floors.previous.json"):
        (folder / name).write_bytes(b"")

    with pytest.raises(InstallFailed) as caught:
        ChildTrust(folder, DEVICE, HW).decide(fleet.bundle())

    assert caught.value.kind == "journal_unreadable"


def test_after_a_missing_file_the_device_asks_for_everything_until_a_bundle_is_whole(
    folder: Path, fleet: FleetSimulator
) -> None:
    trust = ChildTrust(folder, DEVICE, HW)
    trust.decide(fleet.bundle(fleet.wish()))
    whole = trust.versions()
    with pytest.raises(UntrustedRelease):
        trust.decide(b"junk")

    asked = trust.versions()

    assert [each.root for each in asked] == [1, 1]
    assert [each.timestamp for each in asked] == [0, 0]
    trust.decide(fleet.bundle(fleet.wish()))
    assert trust.versions()[0] == whole[0]


def test_the_clock_is_the_floor_where_the_system_clock_is_behind_it(folder: Path, fleet: FleetSimulator) -> None:
    trust = ChildTrust(folder, DEVICE, HW)
    trust.decide(fleet.bundle())

    behind = trust.clock(datetime(1970, 1, 1, tzinfo=timezone.utc))

    assert behind.source == "floor"
    assert abs(behind.at - fleet.now) < timedelta(seconds=2)
    assert trust.clock(fleet.now + timedelta(days=1)).source == "system"


def test_the_long_lived_agent_process_never_loads_python_tuf() -> None:
    code = "import sys, surefoot_agent.trust; print(sorted({'tuf', 'securesystemslib'} & set(sys.modules)))"

    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.strip() == "[]"
