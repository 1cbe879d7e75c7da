"""`surefoot sim run` reads files or folders, exits with the answer, and leaves what CI wants to read."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from surefoot_server.broker import mosquitto
from surefoot_server.cli import main
from surefoot_shared.errors import ConfigError, NotFound
from surefoot_simulators.cli import run as command
from surefoot_simulators.world import run as playing
from surefoot_simulators.world import side_by_side
from surefoot_simulators.world.recording import Recording, from_json
from surefoot_simulators.world.scenario import Scenario
from tests.simulators.world.conftest import SMALL
from tests.simulators.world.test_recording import RECORDING


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "small.toml"
    made.write_text(SMALL)
    return made


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Nothing is played: each run is the same recording, and the seed that was asked for is noted."""
    asked: list[int | None] = []

    def play(scenario: Scenario, seed: int | None, watch: object, wire: bool, speed: float | None) -> object:
        asked.append(seed)
        return replace(RECORDING, scenario=scenario.name)

    monkeypatch.setattr(playing, "run", play)
    return asked


@pytest.mark.usefixtures("seeds")
def test_what_held_exits_with_zero_and_leaves_its_files(file: Path, tmp_path: Path) -> None:
    junit, markdown, record, report = (tmp_path / name for name in ("a.xml", "a.md", "a.json", "a.html"))
    words = ["sim", "run", str(file), "--junit", str(junit), "--markdown", str(markdown), "--record", str(record)]
    words += ["--report", str(report)]

    assert main.run(words) == 0
    assert "<testsuites" in junit.read_text()
    assert "`small`" in markdown.read_text()
    assert "What the devices ran" in report.read_text()
    assert from_json(record.read_bytes()).scenario == "small"


def test_what_did_not_hold_exits_with_six(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missed = replace(RECORDING, expectations=(replace(RECORDING.expectations[0], held=False),))
    monkeypatch.setattr(playing, "run", lambda *_given, **_how: missed)

    assert main.run(["sim", "run", str(file)]) == 6


def test_json_goes_to_stdout_and_talk_does_not(file: Path, seeds: list[int | None]) -> None:
    shown = CliRunner().invoke(main.cli, ["sim", "run", str(file), "--json", "--seed", "9"], standalone_mode=False)

    (row,) = json.loads(shown.stdout)
    assert (row["scenario"], row["passed"], row["digest"]) == (
        "small",
        True,
        replace(RECORDING, scenario="small").digest,
    )
    assert seeds == [9]


def test_a_folder_is_every_scenario_in_it_and_a_wrong_one_plays_none(file: Path, seeds: list[int | None]) -> None:
    (file.parent / "wrong.toml").write_text("title = 1")

    assert main.run(["sim", "run", str(file.parent)]) == 2
    assert seeds == []


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no scenario at"):
        command.files([tmp_path / "gone.toml"])
    with pytest.raises(NotFound, match="is a folder without any scenario") as caught:
        command.files([tmp_path])
    assert caught.value.hint.startswith("Check the path; docs/simulator.md shows")


def test_two_of_one_name_are_refused_and_one_that_is_given_twice_is_played_once(file: Path) -> None:
    other = file.parent / "other" / file.name
    other.parent.mkdir()
    other.write_text(SMALL)

    with pytest.raises(ConfigError, match="the same name"):
        command.files([file, other])
    assert command.files([file, file.parent]) == [file]


@pytest.mark.usefixtures("seeds")
def test_one_record_is_of_one_scenario(file: Path, tmp_path: Path) -> None:
    (file.parent / "b.toml").write_text(SMALL)
    assert main.run(["sim", "run", str(file), str(file.parent / "b.toml"), "--record", str(tmp_path / "a.json")]) == 2


def test_where_a_file_cannot_be_written_nothing_is_played(file: Path, seeds: list[int | None]) -> None:
    assert main.run(["sim", "run", str(file), "--junit", str(file.parent / "no" / "a.xml")]) != 0
    assert seeds == []


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        command.write(tmp_path / "no" / "folder", b"")


@pytest.mark.usefixtures("seeds")
def test_with_jobs_several_are_played_at_a_time_and_one_as_ever(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: list[int | None]
) -> None:
    asked: list[tuple[int, int | None, int, bool]] = []

    def play(files: Sequence[Path], seed: int | None, jobs: int, wire: bool, tell: object) -> list[Recording]:
        assert tell is not None
        asked.append((len(files), seed, jobs, wire))
        return [replace(RECORDING, scenario=path.stem) for path in files]

    monkeypatch.setattr(side_by_side, "play", play)
    (tmp_path / "other.toml").write_text(SMALL)

    assert (
        main.run(["sim", "run", str(file), str(tmp_path / "other.toml"), "--jobs", "2", "--seed", "3", "--wire"]) == 0
    )
    assert main.run(["sim", "run", str(file), "--jobs", "2"]) == 0
    assert asked == [(2, 3, 2, True)]
    assert seeds == [None]


def test_without_a_real_broker_nothing_is_played_on_the_wire_and_how_to_install_one_is_said(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mosquitto, "program", lambda: None)

    assert main.run(["sim", "run", str(file), "--wire"]) == 2
    assert "apt install mosquitto" in capsys.readouterr().err


def test_a_speed_is_for_whoever_looks_on_so_one_plays_after_the_other(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[float | None] = []

    def play(scenario: Scenario, seed: int | None, watch: object, wire: bool, speed: float | None) -> Recording:
        asked.append(speed)
        return replace(RECORDING, scenario=scenario.name)

    monkeypatch.setattr(playing, "run", play)

    codes = [main.run(["sim", "run", str(file), *words]) for words in (["--speed", "2.5"], [])]
    bad = (["0"], ["nan"], ["inf"], ["1", "--jobs", "2"])
    wrong = [main.run(["sim", "run", str(file), "--speed", *words]) for words in bad]

    assert (codes, asked) == ([0, 0], [2.5, None])
    assert wrong == [2, 2, 2, 2]
    assert "leave out --jobs" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_does_so_as_by_ctrl_c(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore it, as nohup does
    monkeypatch.setattr(playing, "run", lambda *_, **__: signal.raise_signal(number))

    try:
        code = main.run(["sim", "run", str(file)])
        after = signal.getsignal(number)
    finally:
        signal.signal(number, before)

    assert (code, capsys.readouterr().err.strip(), after) == (130, "Interrupted.", signal.SIG_DFL)
