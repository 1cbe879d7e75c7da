"""The parts are put together the way the settings say, and one state folder has one agent."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from pathlib import Path
from unittest.mock import Mock

import pytest

from surefoot_agent import __version__, node
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.node import asked, findings_text, only_one, starting
from surefoot_agent.orders import Order, Verb
from surefoot_agent.readiness import Finding
from surefoot_shared.errors import ConfigError, InstallFailed, Unreachable

ROOT = Path(__file__).parents[2]


def test_the_state_folder_takes_one_agent_at_a_time(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(ConfigError) as caught, only_one(tmp_path):
        pass

    assert caught.value.kind == "already_running"
    with only_one(tmp_path):  # released with the first
        assert (tmp_path / "agent.lock").exists()


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="file/state"), only_one(tmp_path / "file" / "state"):
        pass


@pytest.mark.parametrize(
    ("number", "kind", "said", "hint"),
    [
        (errno.EROFS, "slot_write_failed", "read-only", "dmesg"),
        (errno.ENOSPC, "no_space", "is full", "Free space"),
        (errno.EIO, "slot_write_failed", "Input/output error", "disk"),
    ],
)
def test_a_disk_that_refuses_is_no_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: str, said: str, hint: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(node.os, "open", refuse)

    with pytest.raises(InstallFailed) as caught, only_one(tmp_path):
        pass

    assert caught.value.kind == kind
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_database_on_a_medium_that_became_read_only_is_told_by_what_the_kernel_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node.os, "statvfs", lambda _: Mock(f_flag=os.ST_RDONLY))

    with pytest.raises(InstallFailed, match="read-only") as caught, starting(tmp_path, "go on"):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    assert "fsck" in caught.value.hint


def test_findings_read_as_one_line_each_with_the_hint_below_what_is_wrong() -> None:
    text = findings_text((Finding("key", True, "Private."), Finding("room", False, "Full.", "Free space.")))

    assert re.fullmatch(r"ok +key +Private\.\nFAIL +room +Full\.\n +Free space\.", text)


def test_the_version_told_to_the_server_is_the_packages() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.OperationalError("database or disk is full"), "no_space"),
        (OSError(errno.ENOSPC, "No space left on device"), "no_space"),
        (OSError(errno.EROFS, "Read-only file system"), "slot_write_failed"),
        (sqlite3.OperationalError("disk I/O error"), "slot_write_failed"),
        (PermissionError(errno.EACCES, "Permission denied"), "slot_write_failed"),
    ],
)
def test_what_the_disk_says_at_start_is_one_sentence(tmp_path: Path, error: Exception, kind: str) -> None:
    with pytest.raises(InstallFailed) as caught, starting(tmp_path):
        raise error

    assert caught.value.kind == kind
    assert "cannot start" in caught.value.message
    assert caught.value.hint


def test_the_order_that_asks_the_broker_is_answered_without_the_runner() -> None:
    posted: list[Order] = []

    def gone(timeout_s: float) -> float:
        raise Unreachable("unreachable", "Not connected yet.")

    well, ill, other = Order(Verb.UPLINK), Order(Verb.UPLINK), Order(Verb.STATUS)
    asked(posted.append, lambda timeout_s: 0.5)(well)
    asked(posted.append, gone)(ill)
    asked(posted.append, gone)(other)

    assert well.answers.get_nowait() == {"ok": True, "took_s": 0.5}
    assert ill.answers.get_nowait()["message"] == "Not connected yet."
    assert posted == [other]


@pytest.mark.parametrize(
    ("variables", "socket", "asked"),
    [("mender", "", 1), ("rauc", "", 1), ("surefoot", "", 0), ("mender", "/run/helper.sock", 0)],
)
def test_what_another_agent_left_is_taken_over_on_every_board_that_can_have_it(
    variables: str, socket: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = list[object]()
    monkeypatch.setattr("surefoot_agent.boot.adopt.adopt", lambda *given: taken.append(given))

    node._adopt(Settings(helper_socket=socket), ComponentSettings(boot="uboot", boot_variables=variables), Mock())

    assert len(taken) == asked
