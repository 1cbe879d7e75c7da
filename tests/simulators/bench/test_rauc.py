from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from surefoot_shared.errors import InstallFailed
from surefoot_simulators.bench import rauc
from surefoot_simulators.bench.rauc import BACKEND, Rauc, config_text, lacking, write_certificate


def test_what_is_missing_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rauc.shutil, "which", lambda program: None if program != "rauc" else "/usr/bin/rauc")
    assert lacking() == "rauc is not measured (apt-get install squashfs-tools dbus-daemon)"

    monkeypatch.setattr(rauc.shutil, "which", lambda program: f"/usr/bin/{program}")
    assert lacking() == ""


def test_the_configuration_names_two_raw_slots_and_everything_lies_in_the_folder(tmp_path: Path) -> None:
    config = configparser.ConfigParser()
    config.read_string(config_text(tmp_path, (tmp_path / "a", tmp_path / "b")))

    assert [config[f"slot.rootfs.{n}"]["bootname"] for n in (0, 1)] == ["A", "B"]
    assert config["slot.rootfs.1"]["device"] == str(tmp_path / "b")
    paths = [config["system"]["statusfile"], config["keyring"]["path"], config["system"]["mountprefix"]]
    assert all(path.startswith(str(tmp_path)) for path in paths)


@pytest.mark.parametrize(("verb", "answer"), [("get-primary", "A"), ("get-state", "good"), ("set-state", "")])
def test_the_boot_backend_says_that_a_runs_and_takes_every_order(tmp_path: Path, verb: str, answer: str) -> None:
    script = tmp_path / "backend"
    script.write_text(BACKEND)

    done = subprocess.run(["sh", script, verb, "B", "bad"], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == answer


def test_the_key_is_for_a_day_and_for_its_owner(tmp_path: Path) -> None:
    write_certificate(tmp_path)

    found = x509.load_pem_x509_certificate((tmp_path / "cert.pem").read_bytes())
    assert (found.not_valid_after_utc - found.not_valid_before_utc).total_seconds() == 25 * 3600
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_a_command_that_fails_is_said_with_its_words(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "rauc").write_text("#!/bin/sh\necho no slots here >&2\nexit 1\n")
    (folder / "rauc").chmod(0o755)

    with pytest.raises(InstallFailed, match="no slots here"):
        Rauc(tmp_path, {"PATH": f"{folder}:{os.environ['PATH']}"}).install(tmp_path / "bundle")
