"""What a component says of itself is explained, in range, and fits together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_agent import components
from surefoot_agent.boot.select import BOOTS, READS, unread
from surefoot_agent.boot.select import ROWS as boot_rows
from surefoot_agent.components import ROWS, TABLE, ComponentSettings, fitted
from surefoot_shared.errors import ConfigError


def test_every_key_of_a_component_has_a_sentence_and_its_default() -> None:
    assert {row.key: row.default for row in TABLE.rows}["kind"] == "directory"
    assert all(row.unit and row.meaning.endswith(".") for row in ROWS)


def test_the_name_of_a_component_is_its_tables() -> None:
    assert fitted("model", ComponentSettings()).name == "model"


def test_a_boot_control_that_cannot_switch_such_a_component_is_refused_with_those_that_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backends = {"symlink": BOOTS["symlink"], "board": replace(BOOTS["symlink"], kinds=("image",))}
    monkeypatch.setattr(components, "BOOTS", backends)

    with pytest.raises(ConfigError) as caught:
        fitted("app", ComponentSettings(boot="board"))

    assert "components.app" in caught.value.message
    assert "symlink" in caught.value.hint


IMAGE = {"kind": "image", "slot_a": "/dev/a", "slot_b": "/dev/b"}


@pytest.mark.parametrize(
    ("name", "told", "words"),
    [
        ("rootfs", {**IMAGE, "boot": "jetson", "boot_tries": 5}, "boot_tries means nothing to boot 'jetson'"),
        ("rootfs", {**IMAGE, "boot": "efi", "boot_files": "/boot/x"}, "boot_files means nothing to boot 'efi'"),
        ("app", {"boot_script": "/usr/bin/board"}, "boot_script means nothing to boot 'symlink'"),
        ("rootfs", {**IMAGE, "slot_b": "/dev/../dev/a", "boot": "grub"}, "must be two devices"),
        ("app", {"slot_a": "/dev/a"}, "mean nothing to kind 'directory'"),
        ("rootfs", {**IMAGE, "kind": "rauc", "boot": "uboot", "boot_variables": "mender"}, "never by Mender's"),
        ("updater", {"kind": "agent"}, "is called agent"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused_in_a_sentence(
    name: str, told: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        fitted(name, ComponentSettings(**told))  # type: ignore[arg-type]

    assert words in caught.value.message


@pytest.mark.parametrize("boot", sorted(READS))
def test_every_key_that_a_boot_control_reads_may_be_told(boot: str) -> None:
    assert set(READS[boot]) <= {row.key for row in boot_rows}
    assert unread(ComponentSettings(boot=boot)) is None
