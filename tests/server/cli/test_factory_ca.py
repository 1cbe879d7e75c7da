"""Manufacturers, from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.server.cli.conftest import Operator
from tests.server.pki.factory import maker


def test_an_authority_is_registered_listed_and_removed(surefoot: Operator, tmp_path: Path) -> None:
    file = tmp_path / "acme.pem"
    file.write_bytes(maker(days=36500).pem)

    ca_id = surefoot("factory-ca", "add", str(file), "--name", "Acme", "--hw", "rpi5").out.strip()
    listed = surefoot("factory-ca", "list").out
    removed = surefoot("factory-ca", "remove", ca_id)

    assert ca_id in listed
    assert "after approval" in listed
    assert removed.code == 0
    assert ca_id not in surefoot("factory-ca", "list").out


def test_a_file_that_is_no_certificate_is_refused(surefoot: Operator, tmp_path: Path) -> None:
    for content in (b"rubbish", b"\xff\xfe"):
        (tmp_path / "f").write_bytes(content)
        assert surefoot("factory-ca", "add", str(tmp_path / "f"), "--name", "Acme").code == 2


def test_an_unknown_authority_is_not_found(surefoot: Operator) -> None:
    assert surefoot("factory-ca", "remove", "0123").code == 3
