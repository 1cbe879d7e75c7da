"""The verification child on its own: its limits, its answers, and that a bug in it is not hidden."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import trust_child
from surefoot_agent.trust_talk import Question
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import JointSet
from surefoot_shared.status import Intent
from tests.shared.trust.simulator import DEVICE, HW, NOW, DeviceSimulator, FleetSimulator


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version("1.1", 101)
    return made


@pytest.fixture
def device(tmp_path: Path, fleet: FleetSimulator) -> DeviceSimulator:
    return DeviceSimulator(tmp_path / "trust", fleet)


def question(device: DeviceSimulator, verb: str, data: bytes) -> Question:
    return Question(verb, str(device.folder), DEVICE, HW, base64.b64encode(data).decode())


def test_of_a_set_that_is_not_whole_nothing_is_wished(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    wish = fleet.wish("1.1")
    joint = JointSet("set-1", ((wish.note.component, wish.digest), ("model", "b" * 64)))
    parted = replace(wish, note=replace(wish.note, joint=joint))

    decision = trust_child.answer(question(device, "decide", fleet.bundle(parted)), NOW).decision

    assert decision is not None
    assert decision.wishes == ()
    assert [refusal.reason for refusal in decision.refusals] == ["set_incomplete"]


def test_a_decision_carries_all_that_the_assignment_says(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    wish = fleet.wish("1.1", Intent.DOWNGRADE)

    decision = trust_child.answer(question(device, "decide", fleet.bundle(wish)), NOW).decision

    assert decision is not None
    (only,) = decision.wishes
    assert (only.intent, only.activate, only.windows) == (Intent.DOWNGRADE, True, ())
    assert only.note.hw == (HW,)
    assert decision.signed_at == "2026-06-01T12:00:00Z"


def test_an_expected_failure_is_an_answer(device: DeviceSimulator) -> None:
    failure = trust_child.answer(question(device, "decide", b"junk"), NOW).error

    assert failure is not None
    assert (failure.family, failure.kind) == ("UntrustedRelease", "bundle_malformed")


def test_a_folder_that_cannot_be_written_is_the_devices_failure(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    (device.folder / "director").write_text("a file where the folder should be")

    failure = trust_child.answer(question(device, "decide", fleet.bundle()), NOW).error

    assert failure is not None
    assert (failure.family, failure.kind) == ("InstallFailed", "no_space")


def test_a_question_that_cannot_be_read_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_child, "limit_resources", lambda: None)

    with pytest.raises(Invalid):
        trust_child.main(io.BytesIO(b"junk"), io.BytesIO())


def test_the_answer_is_one_json_document(
    device: DeviceSimulator, fleet: FleetSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_child, "limit_resources", lambda: None)
    out = io.BytesIO()

    trust_child.main(io.BytesIO(wire.encode(question(device, "halt", fleet.halt_list("f" * 64)))), out)

    assert set(wire.parse(out.getvalue())) == {"decision", "error", "halt", "v"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "greed",
    [
        "bytearray(2 * trust_child.MEMORY_LIMIT_BYTES)",
        "open(sys.argv[1], 'wb').write(bytes(2 * trust_child.FILE_LIMIT_BYTES))",
        "[open('/dev/null') for _ in range(100)]",
    ],
    ids=["memory", "file size", "open files"],
)
def test_a_greedy_child_is_stopped_by_its_limits(tmp_path: Path, greed: str) -> None:
    code = (
        f"import sys\nfrom surefoot_agent import trust_child\ntrust_child.limit_resources()\n{greed}\nprint('unharmed')"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "file")], capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "unharmed" not in done.stdout
