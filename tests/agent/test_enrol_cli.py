"""What `surefoot-agent enrol` refuses before anything is spent, and what it leaves in an image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.__main__ import USAGE, main
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.enrol import ROOTS
from surefoot_agent.enrol_cli import component_of
from surefoot_shared import wire
from tests.agent.trees import release


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "agent.toml"
    file.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    return file


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_missing_token_file_is_named(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["enrol", "--server", "https://localhost:1", "--bootstrap", str(tmp_path), "--token-file", "/no/token"]

    code = main([*words, "--device", "cam-1", "--hw", "rpi5", "--config", str(config)])

    assert code == USAGE
    assert "/no/token" in capsys.readouterr().err


def test_a_release_folder_that_cannot_be_taken_is_refused_before_the_token_is_spent(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bootstrap = _made(config.parent / "bootstrap")
    for name in ROOTS:
        (bootstrap / name).write_bytes(b"{}")
    where = [
        "--bootstrap",
        str(bootstrap),
        "--release",
        str(config.parent / "none"),
        "--device",
        "cam-1",
        "--hw",
        "x86",
    ]

    code = main(["enrol", "--config", str(config), "--server", "https://localhost:1", *where])

    assert code == USAGE
    assert "is not a signed release folder" in capsys.readouterr().err


def test_a_release_goes_to_the_component_that_its_manifest_names(tmp_path: Path) -> None:
    settings = Settings(components={"app": ComponentSettings(), "model": ComponentSettings()})
    manifest = wire.encode(replace(release({"bin/app": b"x"}), component="model"))
    (tmp_path / "manifest.json").write_bytes(manifest)

    assert component_of(settings, tmp_path).name == "model"
    assert component_of(settings, tmp_path / "none").name == "app"  # which says what is wrong with the folder


def test_an_image_is_prepared_without_a_trace_of_this_machine(config: Path, tmp_path: Path) -> None:
    root, bootstrap = tmp_path / "image", tmp_path / "bootstrap"
    for folder in (root, bootstrap):
        folder.mkdir()
    for name in ("image.root.json", "director.root.json", "ca.pem"):
        (bootstrap / name).write_text(name)
    words = [
        "enrol",
        "--image",
        str(root),
        "--server",
        "https://up:8443",
        "--bootstrap",
        str(bootstrap),
        "--hw",
        "rpi5",
    ]

    code = main([*words, "--device", "cam-{serial}", "--state-dir", "/var/lib/surefoot", "--config", str(config)])

    assert code == 0
    names = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert names == {
        "var/lib/surefoot/identity/ca.pem",
        "var/lib/surefoot/identity/first-boot.json",
        "var/lib/surefoot/trust/bootstrap/director.root.json",
        "var/lib/surefoot/trust/bootstrap/image.root.json",
    }


def test_an_image_that_is_no_folder_is_named(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["enrol", "--image", str(tmp_path / "none"), "--server", "https://up:8443", "--bootstrap", str(tmp_path)]

    assert main([*words, "--hw", "rpi5", "--device", "cam-{serial}", "--config", str(config)]) == USAGE
    assert "none is not a folder" in capsys.readouterr().err


def test_a_node_that_is_enrolled_is_told_that_nothing_was_asked_and_how_to_enrol_it_anew(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state" / "identity"
    folder.mkdir(parents=True)
    mqtt = {"host": "x.example", "port": 8883, "protocol": 5}
    facts = {"device": "cam-1", "hw": "rpi5", "server_url": "https://localhost:1", "mqtt": mqtt, "v": 1}
    (folder / "device.json").write_text(json.dumps(facts))
    (folder / "device.key").touch(mode=0o600)
    words = [
        "enrol",
        "--server",
        "https://localhost:1",
        "--bootstrap",
        str(tmp_path),
        "--state-dir",
        str(folder.parent),
    ]

    code = main([*words, "--device", "cam-1", "--hw", "rpi5", "--config", str(config)])

    assert code == 0
    said = capsys.readouterr().err
    assert "asked nothing" in said
    assert f"move {folder} away" in said
