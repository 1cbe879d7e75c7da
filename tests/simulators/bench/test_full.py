from __future__ import annotations

import random
from pathlib import Path

import pytest

from surefoot_shared.errors import InstallFailed
from surefoot_simulators.bench import full
from surefoot_simulators.bench.full import DD, FULL, HASHED, PEAK, figures

MIB = 1 << 20


def test_speed_is_judged_against_zstd_and_dd_of_the_same_run() -> None:
    speed, memory = figures({FULL: 2.0, DD: 1.0, HASHED: 1.6, PEAK: 60.0}, 400_000_000)

    assert (speed.value, speed.goal, speed.reached) == (200.0, 320.0, False)
    assert {peer.name: peer.value for peer in speed.peers} == {DD: 400.0, HASHED: 250.0}
    assert "0.50 of the first peer, 0.80 of the second" in speed.note
    assert (memory.value, memory.reached) == (60.0, True)


@pytest.mark.slow
@pytest.mark.needs("zstd")
def test_all_three_really_write_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full, "ROUNDS", 3)
    content = random.Random(3).randbytes(MIB) + b"compresses well " * (MIB // 16)
    (tmp_path / "payload").write_bytes(content)
    said: list[str] = []

    found = full.compare(tmp_path / "payload", tmp_path / "work", said.append)

    image = (tmp_path / "work/image-0/image").read_bytes()
    slots = [tmp_path / "work" / name for name in ("state/B", "slot-dd", "slot-hashed")]
    assert image[: len(content)] == content
    assert all(slot.read_bytes()[: len(image)] == image for slot in slots)
    assert [figure.value > 0 for figure in found] == [True, True]
    assert len(said) == 3


def test_without_zstd_there_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)

    with pytest.raises(InstallFailed, match="zstd is not installed"):
        full.measure(tmp_path, print)


def test_a_pipeline_that_fails_is_no_figure(tmp_path: Path) -> None:
    (tmp_path / "zst").write_bytes(b"no frame")
    broken = full.Subject.__new__(full.Subject)
    object.__setattr__(broken, "compressed", tmp_path / "zst")

    with pytest.raises(InstallFailed, match="pipeline"):
        full._dd(broken, tmp_path / "slot")
