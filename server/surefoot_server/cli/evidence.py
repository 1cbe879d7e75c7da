"""`surefoot release evidence`: everything on record about a release, as one archive or one folder.

Promises: what is written is what the server said, whole or not at all; nothing that exists is overwritten.
"""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from pathlib import Path

import click

from surefoot_server.cli.params import Text, path, release_of
from surefoot_server.cli.terminal import Terminal, json_option, pass_terminal
from surefoot_shared.errors import Conflict

NAMES = frozenset(
    {"SHA256SUMS", "evidence.json", "manifest.json", "provenance.json", "role.json", "sbom.cdx.json", "summary.md"}
)


@click.command()
@click.argument("release", metavar="COMPONENT/VERSION", type=Text(100))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="A .zip to make, or a folder; by default a .zip here."
)
@json_option
@pass_terminal
def evidence(terminal: Terminal, release: str, out: Path | None) -> None:
    """Write what is on record about a release: approvals, signatures, tests, verdicts, drill, bill and findings.

    summary.md is for people, evidence.json for programs, SHA256SUMS for `sha256sum -c`. The same state gives the same
    bytes. With --json nothing is written and evidence.json is printed.

    \b
    Example:
      surefoot release evidence app/1.1 -o app-1.1-evidence.zip
      surefoot release evidence app/1.1 -o ./audit/app-1.1
    """
    component, version = release_of(release)
    where = path("releases", component, version)
    with terminal.api() as api:
        if terminal.json:
            terminal.data(api.get(f"{where}/evidence"), "")
            return
        out = out or Path(f"{component}-{version}-evidence.zip")
        _refuse_existing(out)
        raw = api.get_raw(f"{where}/evidence.zip")
    if out.suffix == ".zip":
        _write(out, raw)
    else:
        _unpack(out, raw)
    terminal.data(None, f"The evidence for {release} is in {out}.")


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise Conflict("conflict", f"{out} exists already.", "Give another name with --out.")


def _write(out: Path, raw: bytes) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(raw)
    os.chmod(name, 0o644)
    os.replace(name, out)


def _unpack(out: Path, raw: bytes) -> None:
    """Only files whose names are known: an archive is no place to take paths from."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if name in NAMES}
    out.mkdir(parents=True)
    for name, content in found.items():
        (out / name).write_bytes(content)
