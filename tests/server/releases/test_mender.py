"""An artifact is unpacked only as its own manifest describes it, and only where an Update Module could take it."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from surefoot_server.releases.mender import depends, unpack
from surefoot_shared import wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.module import Payload

INFO = {
    "payloads": [{"type": "single-file"}],
    "artifact_provides": {"artifact_name": "counting-1.8"},
    "artifact_depends": {"device_type": ["rpi5"]},
}
HEADER = {"header-info": json.dumps(INFO), "headers/0000/type-info": '{"type":"single-file"}'}
FILES = {"filename": "count", "count": "new"}


def tar(files: Mapping[str, str | bytes], compressed: bool = False) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz" if compressed else "w") as made:
        for name, text in files.items():
            content = text if isinstance(text, bytes) else text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def artifact(
    folder: Path,
    header: Mapping[str, str] = HEADER,
    files: Mapping[str, str] = FILES,
    version: int = 3,
    more: Mapping[str, str] | None = None,
    listed: Mapping[str, str] | None = None,
) -> Path:
    parts = {
        "version": json.dumps({"format": "mender", "version": version}).encode(),
        "header.tar.gz": tar(header, compressed=True),
        "data/0000.tar.gz": tar(files, compressed=True),
    }
    said = {"version": parts["version"], "header.tar.gz": parts["header.tar.gz"]}
    said.update({f"data/0000/{name}": text.encode() for name, text in (listed or files).items()})
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in said.items())
    whole = {"version": parts["version"], "manifest": sums, **{k: v for k, v in parts.items() if k != "version"}}
    path = folder / "x.mender"
    path.write_bytes(tar({**whole, **(more or {})}))
    return path


def test_it_becomes_the_folder_of_a_release(tmp_path: Path) -> None:
    payload = unpack(artifact(tmp_path), tmp_path / "out")

    assert payload.files == ("filename", "count")
    assert (payload.type, payload.name) == ("single-file", "counting-1.8")
    assert (tmp_path / "out/payload/count").read_text() == "new"
    assert wire.decode(Payload, (tmp_path / "out/module.json").read_bytes()) == payload
    assert payload.header_info == HEADER["header-info"]


def without_payload_type() -> dict[str, str]:
    return {**HEADER, "header-info": json.dumps({**INFO, "payloads": [{"type": None}]})}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "not of format version 3"),
        ({"more": {"header-augment.tar.gz": ""}}, "several or augmented payloads"),
        ({"more": {"data/0001.tar.gz": ""}}, "several or augmented payloads"),
        ({"header": {**HEADER, "scripts/ArtifactInstall_Enter_00": "#!"}}, "state script"),
        ({"header": without_payload_type()}, "installs nothing"),
        ({"header": {"header-info": "[]"}}, "no JSON object"),
        ({"header": {"header-info": "{"}}, "no JSON"),
        ({"files": {"../../etc/passwd": "x"}}, "no plain file"),
        ({"files": {"a\\b": "x"}}, "no plain file"),
        ({"files": {"a\x7fb": "x"}}, "no plain file"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(tmp_path: Path, change: dict[str, object], why: str) -> None:
    with pytest.raises(Invalid) as raised:
        unpack(artifact(tmp_path, **change), tmp_path / "out")  # type: ignore[arg-type]
    assert why in raised.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["x.mender"]


@pytest.mark.parametrize(
    ("listed", "name"),
    [({**FILES, "count": "other"}, "count"), ({"filename": "count"}, "count"), ({**FILES, "more": ""}, "more")],
)
def test_a_checksum_that_is_not_its_manifests_is_a_failed_verification_and_leaves_nothing(
    tmp_path: Path, listed: dict[str, str], name: str
) -> None:
    with pytest.raises(UntrustedRelease, match=f"data/0000/{name} is not what its manifest says"):
        unpack(artifact(tmp_path, listed=listed), tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["x.mender"]


@pytest.mark.parametrize("inner", ["header.tar.xz", "data/0000.tar.xz"])
def test_a_compressed_part_that_is_broken_is_refused_in_one_sentence(tmp_path: Path, inner: str) -> None:
    broken = lzma.compress(tar({"header-info": "{}"}) * 50)[:-200] + b"x" * 200
    (tmp_path / "x.mender").write_bytes(tar({"version": '{"version": 3}', "manifest": "", inner: broken}))

    with pytest.raises(Invalid, match="artifact is not taken"):
        unpack(tmp_path / "x.mender", tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_an_artifact_is_no_file(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("manifest")
    link.type, link.linkname = kind, "version"
    with tarfile.open(tmp_path / "x.mender", "w") as made:
        made.addfile(link)

    with pytest.raises(Invalid, match="manifest, which is no file"):
        unpack(tmp_path / "x.mender", tmp_path / "out")


def test_what_it_depends_on_is_said(tmp_path: Path) -> None:
    assert depends(unpack(artifact(tmp_path), tmp_path / "out")) == {"device_type": ["rpi5"]}


def test_a_file_that_is_no_artifact_and_a_folder_that_is_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 1000)

    with pytest.raises(Invalid, match="cannot be read"):
        unpack(tmp_path / "junk", tmp_path / "out")
    (tmp_path / "out").mkdir()
    with pytest.raises(Invalid, match="exists already"):
        unpack(artifact(tmp_path), tmp_path / "out")
