from __future__ import annotations

from pathlib import Path

from surefoot_agent.config import Settings
from surefoot_agent.download.beside import beside_of


def test_the_spool_lies_in_the_agents_own_folder_and_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, helper_socket="/run/helper.sock", helper_dir=Path("/nowhere"))

    beside = beside_of(settings, "app", tmp_path / "ca.pem")

    assert not list(tmp_path.iterdir())
    with beside.spool.object("one"):
        assert (tmp_path / "fetch" / "app" / "one").exists()
    beside.forget()
    assert not list((tmp_path / "fetch" / "app").iterdir())
