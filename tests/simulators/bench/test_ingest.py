"""Rows that are measured are rows that are stored."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from surefoot_simulators.bench import ingest, ingest_copy
from surefoot_simulators.bench.figures import Better


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_everything_that_was_published_is_stored_also_by_a_slow_consumer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "DEVICES", 10)
    monkeypatch.setattr(ingest, "MESSAGES", 30)
    with contextlib.ExitStack() as parts:
        site = ingest.Site(tmp_path, parts)
        database = site.database("sqlite", f"sqlite:///{tmp_path}/ingest.db")
        for runner in (site.raw, site.paho, lambda: site.gateway(database), lambda: site.gateway(database, 0.2)):
            site.fill(30)
            assert runner().lost in (None, 0)
        database.dispose()


def test_figures_are_ratios_to_what_ran_beside_them() -> None:
    best = {"SQLite": 10.0, "PostgreSQL": 5.0, "paho": 8.0, "raw": 20.0}

    figures = {f.name: f for f in ingest.figures(best, 0, ingest_copy.Rates(20.0, 100.0, 400.0))}

    assert figures["ingest into SQLite against paho loop_start"].value == 1.25
    assert figures["ingest into PostgreSQL against a raw reader"].value == 0.25
    copied = figures["telemetry writer against server-side COPY into a table like its own"]
    assert (copied.value, copied.reached, [peer.value for peer in copied.peers]) == (0.2, True, [100.0, 400.0])
    assert "0.050 of a COPY into a bare table" in copied.note
    assert {f.better for f in figures.values() if f.unit == "×"} == {Better.HIGHER}
    assert figures["rows lost, a slow consumer among the runs"].reached
