from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.privileged.restart import restart_machine
from surefoot_shared.errors import InstallFailed


def reboot(system: Path, script: str) -> Path:
    file = system / "sbin" / "reboot"
    file.parent.mkdir(parents=True)
    file.write_text(script)
    file.chmod(0o755)
    return system


def test_the_machines_own_init_is_told(tmp_path: Path) -> None:
    restart_machine(reboot(tmp_path, f"#!/bin/sh\necho told >> {tmp_path}/told\n"))

    assert (tmp_path / "told").read_text() == "told\n"


def test_an_order_that_is_refused_is_said(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match="cannot be restarted"):
        restart_machine(reboot(tmp_path, "#!/bin/sh\nexit 1\n"))


def test_a_machine_without_a_command_is_said(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match="no command"):
        restart_machine(tmp_path)
