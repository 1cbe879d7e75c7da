"""The same payload is the same bytes; what an update changes is what its name says."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from surefoot_simulators.bench import payloads
from surefoot_simulators.bench.payloads import AFTER, BEFORE, Payload, make_tree

KEPT = Payload({"numpy": "1.0"})


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that holds the only wheel that is wanted."""
    monkeypatch.setenv("SUREFOOT_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(payloads, "COMMON", ())
    monkeypatch.setattr(payloads, "MODEL_FLOATS", 1000)
    (tmp_path / "cache").mkdir()
    with zipfile.ZipFile(tmp_path / "cache/numpy-1.0-cp311-cp311-linux.whl", "w") as wheel:
        wheel.writestr("numpy/core.py", "x = 1")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_payload_is_the_same_tree(tmp_path: Path) -> None:
    one, two = (contents(make_tree(KEPT, tmp_path / name)) for name in ("one", "two"))

    assert one == two
    assert one["site/numpy/core.py"] == b"x = 1"


def test_a_sixth_of_the_modules_differs_and_the_model_only_where_it_was_trained(tmp_path: Path) -> None:
    before = contents(make_tree(KEPT, tmp_path / "before"))
    after = contents(make_tree(Payload(KEPT.wheels, code=1, model=1), tmp_path / "after"))

    changed = {path for path in before if before[path] != after[path]}

    assert "model.bin" in changed
    assert len(changed) == 1 + payloads.MODULES // 6


def test_each_update_changes_what_its_name_says() -> None:
    assert AFTER["model only"].wheels == AFTER["code only"].wheels == BEFORE.wheels
    assert AFTER["patch release"].wheels["onnxruntime"] == "1.23.2"
    assert AFTER["minor release"].wheels["onnxruntime"] == "1.24.1"
