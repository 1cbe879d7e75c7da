"""The command `python -m surefoot_simulators.bench`: what it writes, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench import __main__ as bench
from surefoot_simulators.bench.figures import Figure
from surefoot_simulators.bench.registry import Benchmark, Say

FAST = Figure("fast", 1.0, "s", 2)
MISSED = Figure("missed", 3.0, "s", 2)


def _returns(*figures: Figure) -> Benchmark:
    def measure(work: Path, say: Say) -> Sequence[Figure]:
        (work / "proof").touch()
        say("measuring")
        return figures

    return Benchmark("a known number", measure)


def _fails() -> Benchmark:
    def measure(work: Path, say: Say) -> Sequence[Figure]:
        (work / "agent.log").write_text("why")
        raise Unreachable("unreachable", "The server did not answer.")

    return Benchmark("never comes back", measure)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Benchmark]:
    benchmarks = {"fast": _returns(FAST), "missed": _returns(MISSED)}
    monkeypatch.setattr(bench, "BENCHMARKS", benchmarks)
    return benchmarks


def test_all_benchmarks_run_and_each_figure_is_written(known: dict[str, Benchmark], tmp_path: Path) -> None:
    code = bench.main(["--out", str(tmp_path / "build" / "bench.json")])

    rows = json.loads((tmp_path / "build" / "bench.json").read_text())
    assert code == 0
    assert [(row["name"], row["reached"]) for row in rows] == [("fast", True), ("missed", False)]


def test_one_name_measures_that_one_alone(known: dict[str, Benchmark], tmp_path: Path) -> None:
    bench.main(["missed", "--out", str(tmp_path / "bench.json")])

    assert [row["name"] for row in json.loads((tmp_path / "bench.json").read_text())] == ["missed"]


def test_an_unknown_name_is_a_usage_error_that_lists_what_exists(
    known: dict[str, Benchmark], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        bench.main(["slow", "--out", str(tmp_path / "bench.json")])

    assert end.value.code == 2
    assert "there are fast, missed" in capsys.readouterr().err
    assert not (tmp_path / "bench.json").exists()


def test_a_failed_measurement_is_said_and_does_not_stop_the_others(
    known: dict[str, Benchmark], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known["broken"] = _fails()

    code = bench.main(["broken", "fast", "--out", str(tmp_path / "bench.json")])

    said = " ".join(capsys.readouterr().out.split())
    assert code == 1
    assert "The server did not answer." in said
    assert [row["name"] for row in json.loads((tmp_path / "bench.json").read_text())] == ["fast"]


def test_figures_are_kept_with_the_date_only_when_asked(known: dict[str, Benchmark], tmp_path: Path) -> None:
    page, out = tmp_path / "benchmarks.md", str(tmp_path / "bench.json")

    bench.main(["fast", "--out", out, "--page", str(page)])
    assert not page.exists()

    bench.main(["fast", "--out", out, "--page", str(page), "--record"])
    assert "| fast | 1.00 s | ≤ 2 s | yes | none |" in page.read_text()
