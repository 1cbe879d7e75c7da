from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from surefoot_server.pki.files import PkiFiles, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_its_owners_alone_whatever_the_umask_says(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_private(tmp_path / "deep" / "secret", b"x")
    finally:
        os.umask(old)

    assert mode(tmp_path / "deep" / "secret") == 0o600
    assert mode(tmp_path / "deep") == 0o700


def test_a_secret_replaces_one_that_others_could_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o644)

    write_private(path, b"new")

    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)


def test_what_an_interrupted_write_left_behind_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".secret.new").write_bytes(b"half")

    write_private(tmp_path / "secret", b"whole")

    assert (tmp_path / "secret").read_bytes() == b"whole"


def test_the_old_content_stays_when_the_new_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    write_private(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")

    assert path.read_bytes() == b"old"


def test_the_five_files_of_a_server_have_five_names(tmp_path: Path) -> None:
    files = PkiFiles.under(tmp_path)

    names = {files.ca, files.server_cert, files.server_key, files.service_cert, files.service_key}
    assert len(names) == 5
