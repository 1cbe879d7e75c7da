"""An update by the agent's own parts, in a process of its own, says how long it took and what memory it had."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.releases.build import read_release
from surefoot_simulators.bench import delta
from tests.server.packs import shelf


@pytest.mark.slow
def test_a_tree_is_updated_by_its_packs_and_the_bytes_are_counted(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)
    old, new = (read_release(tmp_path / name / "out") for name in ("old", "new"))

    told, manifest_bytes, sent_bytes = delta.update(old, new, tmp_path / "bench")

    assert 0 < manifest_bytes < len(new.raw) < sent_bytes < 20_000
    assert told["peak_mib"] > 10
    assert 5 < told["child_mib"] < 128
    assert told["child_mib"] < told["together_mib"] <= told["peak_mib"] + told["child_mib"] + 8  # what its start shares
    lib = next(file.path for file in made.new.manifest.files if file.path.startswith("lib/"))
    assert (tmp_path / "bench/state/slots/B" / lib).read_bytes() == shelf.library(True)
