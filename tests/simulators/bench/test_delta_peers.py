"""Every way of the peers is measured on the same two trees; what is computed says so."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from surefoot_simulators.bench import delta_peers
from surefoot_simulators.bench.delta_peers import Side

NOISE = random.Random(1).randbytes(300_000)


def sides(folder: Path) -> tuple[Side, Side]:
    for name, content in (("a", NOISE), ("b", NOISE[:200_000] + b"changed" + NOISE[200_007:])):
        (folder / name).mkdir()
        (folder / name / "lib.so").write_bytes(content)
    return delta_peers.side_of(folder / "a", folder / "a.tar"), delta_peers.side_of(folder / "b", folder / "b.tar")


def test_a_block_that_is_there_already_costs_its_hash_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    said: list[str] = []

    (only,) = delta_peers.measure(*sides(tmp_path), tmp_path, said.append)

    assert "computed" in only.name
    assert 0.004 < only.value < 0.03
    assert len(delta_peers.absent()) == 4


@pytest.mark.slow
@pytest.mark.needs("zstd")
def test_programs_that_are_there_give_a_figure_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: which(name) if name == "zstd" else None)

    found = {peer.name: peer.value for peer in delta_peers.measure(*sides(tmp_path), tmp_path, lambda _line: None)}

    assert found["zstd --patch-from, whole"] < 0.01 < found["zstd -3, whole"]
