from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from surefoot_agent.boot.environment import Environment
from surefoot_shared.errors import InstallFailed
from surefoot_simulators.bootloader.environment import Medium

pytestmark = pytest.mark.needs("fw_printenv", "fw_setenv")


@pytest.fixture
def medium(tmp_path: Path) -> Medium:
    made = Medium(tmp_path / "bootstate")
    made.format({"baudrate": "115200"})
    return made


@pytest.fixture
def environment(medium: Medium, tmp_path: Path) -> Environment:
    return Environment(medium.config(tmp_path / "fw_env.config"))


def test_several_variables_are_set_and_removed_at_once(environment: Environment, medium: Medium) -> None:
    environment.change({"a": "1", "b": "two words", "c": "x=y"})
    environment.change({"a": None, "b": "3"})

    assert environment.read() == medium.read() == {"baudrate": "115200", "b": "3", "c": "x=y"}


def test_one_change_writes_one_copy_once(environment: Environment, medium: Medium) -> None:
    before = medium.path.read_bytes()

    environment.change({"a": "1", "b": "2"})

    after = medium.path.read_bytes()
    assert [before[i : i + 0x1000] == after[i : i + 0x1000] for i in (0, 0x1000)] == [False, True]


def test_nothing_is_read_from_a_medium_without_a_whole_copy(environment: Environment, medium: Medium) -> None:
    medium.path.write_bytes(bytes(0x2000))

    assert environment.read() == {}


@pytest.mark.parametrize("name", ["a b", "a=b", "a\nb", "", "é"])
def test_a_name_that_the_tool_would_read_otherwise_is_refused(
    environment: Environment, medium: Medium, name: str
) -> None:
    before = medium.path.read_bytes()

    with pytest.raises(InstallFailed, match="cannot be put"):
        environment.change({name: "1"})

    assert medium.path.read_bytes() == before


@pytest.mark.parametrize("value", ["x\nboot_malice=1", "x\0y", "ü"])
def test_a_value_that_would_be_another_line_is_refused(environment: Environment, value: str) -> None:
    with pytest.raises(InstallFailed, match="cannot be put"):
        environment.change({"a": value})


def test_the_media_are_synced_each_once(
    environment: Environment, medium: Medium, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))

    environment.sync()

    assert synced == [str(medium.path)]


@pytest.mark.parametrize(("number", "raises"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_raw_flash_needs_no_sync_and_a_broken_disk_is_told(
    environment: Environment, number: int, raises: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(fd: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    if raises:
        with pytest.raises(InstallFailed, match="cannot be synced"):
            environment.sync()
    else:
        environment.sync()
        assert environment.copies() == 2


def test_copies_are_counted_without_comments(medium: Medium, tmp_path: Path) -> None:
    config = tmp_path / "one"
    config.write_text(f"# the only copy\n\n{medium.path} 0x0 0x1000\n")

    assert Environment(config).copies() == 1
    assert Environment(config).devices() == (str(medium.path),)


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = Environment(tmp_path / "absent")

    with pytest.raises(InstallFailed, match="fw_printenv ended with"):
        absent.read()
    with pytest.raises(InstallFailed, match="absent cannot be read"):
        absent.sync()
