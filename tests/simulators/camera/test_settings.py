"""A release's settings: what is wrong is refused at the start, by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_simulators.camera.settings import Settings, read_settings, write_settings


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    settings = Settings("1.2", threshold=18.0, freeze_after_s=6.0, freeze_on_hw="rpi5")

    write_settings(tmp_path, settings)

    assert read_settings(tmp_path) == settings


def test_an_unknown_key_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"version": "1.0", "treshold": 20}))

    with pytest.raises(ValueError, match="unknown key treshold"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", ""),
        ("fps", 0.0),
        ("threshold", 0.0),
        ("learn_ratio", 0.0),
        ("line_x", 160),
        ("freeze_after_s", -1.0),
    ],
)
def test_a_value_out_of_range_is_refused(tmp_path: Path, key: str, value: object) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"version": "1.0", key: value}))

    with pytest.raises(ValueError):
        read_settings(tmp_path)


def test_a_missing_file_is_an_error_and_no_default(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_settings(tmp_path)


def test_the_fault_shows_on_its_hardware_only() -> None:
    settings = Settings("1.2", freeze_after_s=6.0, freeze_on_hw="rpi5")

    assert [settings.freezes_on(hw) for hw in ("rpi5", "jetson-orin", "")] == [True, False, False]


def test_a_release_without_the_fault_freezes_nowhere() -> None:
    assert not Settings("1.1").freezes_on("")
