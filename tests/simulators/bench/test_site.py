"""A site for measurements: what it says when it does not come up, and that nothing of it is left."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench.site import Site, running_site


def test_a_site_that_cannot_start_is_an_error_with_the_commands_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text("a file where the folder of keys should be")

    with pytest.raises(Unreachable, match="surefoot keys init"), running_site(tmp_path):
        pass


def test_waiting_in_vain_ends_with_what_was_waited_for(tmp_path: Path) -> None:
    site = Site(tmp_path, devices=1, settings={}, soak_s=1.0)

    with pytest.raises(Unreachable, match=r"Waited 0 s for every device to report 1\.0"):
        site.wait(lambda: False, 0.0, "every device to report 1.0")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_site_runs_its_first_release_takes_an_update_and_leaves_no_process(tmp_path: Path) -> None:
    with running_site(tmp_path, soak_s=1.0) as site:
        site.publish("1.1", 101)
        (attempt,) = site.update("1.1")

        assert attempt.outcome == "committed"
        assert attempt.soak_s >= 1.0
        assert attempt.seconds > attempt.soak_s

    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert left.stdout == ""
