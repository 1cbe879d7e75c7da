from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from surefoot_shared.errors import InstallFailed
from surefoot_simulators.bench import install
from surefoot_simulators.bench.install import DD, HALVES, PEAK, RAUC, READ_BACK, SEAL, WRITTEN, figures

MEDIANS = {READ_BACK: 1.0, HALVES: 1.25, WRITTEN: 0.5, SEAL: 0.5, PEAK: 12.0, DD: 0.25, RAUC: 2.0}
MB = 256 * 1.048576


def test_speeds_are_judged_against_peers_of_the_same_run() -> None:
    whole, halves, written, memory = figures(MEDIANS)

    assert (whole.value, whole.goal, whole.reached) == (pytest.approx(MB), round(MB / 2, 1), True)
    assert (halves.value, halves.goal, halves.reached) == (pytest.approx(0.8 * MB), round(0.75 * MB, 1), True)
    assert (written.value, written.goal, written.reached) == (pytest.approx(2 * MB), round(0.8 * 4 * MB, 1), False)
    assert (memory.value, memory.reached) == (12.0, True)
    assert {peer.name for peer in whole.peers} >= {RAUC, DD}


def test_without_rauc_its_figure_is_left_out_and_the_way_to_install_it_said() -> None:
    medians = {name: value for name, value in MEDIANS.items() if name != RAUC}

    _, written, _ = figures(medians, "rauc is not measured (apt-get install rauc)")

    assert written.name == "image install, written"
    assert "apt-get install rauc" in written.note


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "IMAGE_MIB", 2)
    monkeypatch.setattr(install, "ROUNDS", 3)
    monkeypatch.setattr(install, "lacking", lambda: "rauc is not measured here")


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_both_really_write_the_image(tmp_path: Path) -> None:
    said: list[str] = []

    found = install.measure(tmp_path, said.append)

    image = (tmp_path / "image-1").read_bytes()
    assert len(image) == 2 << 20
    assert all(
        (tmp_path / slot).read_bytes()[: len(image)] == image for slot in ("slot-own-b", "slot-two-b", "slot-dd")
    )
    assert [figure.value > 0 for figure in found] == [True, True, True]
    assert len(said) == 3


@pytest.mark.usefixtures("small")
def test_an_install_that_fails_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path) -> Path:
        return path

    monkeypatch.setattr(install, "_slot", missing)

    with pytest.raises(InstallFailed, match="slot_missing"):
        install.measure(tmp_path, lambda line: None)


def test_a_rauc_that_did_not_write_its_slot_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "IMAGE_MIB", 1)
    (tmp_path / "bundle").touch()
    (tmp_path / "image").write_bytes(b"a" * (1 << 20))
    (tmp_path / "slot").write_bytes(b"b" * (1 << 20))

    class Idle:
        def install(self, bundle: Path) -> float:
            return 0.1

    check: Callable[..., float] = install._rauc
    arguments: Sequence[object] = (Idle(), tmp_path / "bundle", tmp_path / "image", tmp_path / "slot")
    with pytest.raises(InstallFailed, match="RAUC did not write"):
        check(*arguments)
