"""`surefoot-agent trust verify`: the decision or the refusal of a folder of metadata, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from surefoot_agent.__main__ import UNTRUSTED, USAGE, main
from tests.shared.trust.simulator import DEVICE, HW, DeviceSimulator, FleetSimulator

pytestmark = pytest.mark.slow  # the verification is a process of its own


class Desk:
    """A state folder and a folder of metadata."""

    def __init__(self, folder: Path, fleet: FleetSimulator) -> None:
        self.fleet, self.state, self.metadata = fleet, folder / "state", folder / "metadata"
        DeviceSimulator(self.state / "trust", fleet)

    def lay_out(self, director: Mapping[str, str], image: Mapping[str, str] | None = None) -> None:
        for name, files in (("director", director), ("image", self.fleet.image if image is None else image)):
            (self.metadata / name).mkdir(parents=True)
            for file, text in files.items():
                (self.metadata / name / file).write_text(text)

    def verify(self, *more: str, device: str = DEVICE, hw: str = HW) -> int:
        words = ["--device", device, "--hw", hw, "--state", str(self.state), str(self.metadata)]
        return main(["trust", "verify", *words, *more])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    fleet = FleetSimulator(now=datetime.now(timezone.utc))
    fleet.release_version("1.1", 101)
    return Desk(tmp_path, fleet)


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def test_what_both_repositories_allow_is_printed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.lay_out(desk.fleet.assign(desk.fleet.wish("1.1")))

    assert desk.verify("--json") == 0
    said = answer(capsys)
    (wish,) = said["decision"]["wishes"]
    assert (wish["component"], wish["note"]["version"], said["refused"]) == ("app", "1.1", None)


def test_a_refused_assignment_is_printed_with_its_kind(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.lay_out(desk.fleet.assign(desk.fleet.wish("1.1")))

    assert desk.verify("--json", hw="jetson-orin") == UNTRUSTED
    assert [each["reason"] for each in answer(capsys)["decision"]["refusals"]] == ["wrong_hardware"]


def test_a_refused_folder_is_printed_with_its_kind(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.lay_out(desk.fleet.assign(desk.fleet.wish("1.1"), device="cam-99"))

    assert desk.verify("--json") == UNTRUSTED
    said = answer(capsys)
    assert (said["decision"], said["refused"]["kind"]) == (None, "wrong_device")


def test_what_was_verified_is_remembered(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = desk.fleet.assign(desk.fleet.wish("1.1"))
    desk.lay_out(desk.fleet.assign())
    assert desk.verify() == 0
    desk.metadata = tmp_path / "older"
    desk.lay_out(older)

    assert desk.verify("--json") == UNTRUSTED
    assert "metadata_rollback" in capsys.readouterr().out


def test_people_read_one_line_per_component(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.lay_out(desk.fleet.assign(desk.fleet.wish("1.1")))

    assert desk.verify() == 0
    assert capsys.readouterr().out.startswith("app: update to 1.1 (")


def test_a_folder_that_is_not_there_is_a_wrong_usage(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.verify() == USAGE
    assert "director" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["refresh", "download"])
def test_an_option_that_is_missing_is_named(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", verb]) == USAGE
    assert "--metadata-dir" in capsys.readouterr().err
