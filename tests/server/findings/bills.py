"""Bills of materials, OSV records and statements as their makers write them, small enough to read."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from surefoot_server.findings import service
from surefoot_server.releases.build import build_release
from surefoot_server.releases.models import Release
from surefoot_server.releases.recipe import Recipe
from surefoot_server.releases.sign import sign_release
from surefoot_shared.wire import Json
from tests.server.conftest import PASSPHRASE
from tests.server.releases.shelf import Shelf
from tests.server.rig import NOW, Rig

REQUESTS = "pkg:pypi/requests@2.31.0"
OPENSSL = "pkg:deb/debian/libssl3@3.0.11-1~deb12u1?arch=arm64&distro=debian-12&upstream=openssl"
PAYLOAD = "application/vnd.in-toto+json"
Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
CUDA = "pkg:generic/cuda@12.2"


def bill(*purls: str, spec: str = "1.6") -> bytes:
    names = [purl.split("/")[-1].partition("@") for purl in purls]
    parts = [
        {"type": "library", "name": name, "version": version.partition("?")[0], "purl": purl}
        for (name, _, version), purl in zip(names, purls, strict=True)
    ]
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": spec, "components": parts}).encode()


def record(
    osv_id: str = "GHSA-1",
    package: str = "requests",
    ecosystem: str = "PyPI",
    fixed: str = "2.32.0",
    severity: str = "HIGH",
    **more: Json,
) -> dict[str, Json]:
    events: Json = [{"introduced": "0"}, {"fixed": fixed}]
    affected: Json = [
        {
            "package": {"ecosystem": ecosystem, "name": package},
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
        }
    ]
    return {
        "id": osv_id,
        "modified": "2026-02-27T10:00:00Z",
        "summary": "it leaks",
        "affected": affected,
        "database_specific": {"severity": severity},
        **more,
    }


def statement(digest: str) -> dict[str, Json]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "manifest.json", "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"runDetails": {"builder": {"id": "https://ci.example/builder"}}},
    }


def envelope(said: dict[str, Json], *keys: Private, kind: str = PAYLOAD) -> bytes:
    """The statement in a DSSE envelope with a signature of each key, made here and not by what is tested."""
    payload = json.dumps(said).encode()
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    signatures = [{"keyid": "anything", "sig": base64.b64encode(signature(key, message)).decode()} for key in keys]
    return json.dumps(
        {"payloadType": kind, "payload": base64.b64encode(payload).decode(), "signatures": signatures}
    ).encode()


def signature(key: Private, message: bytes) -> bytes:
    return key.sign(message) if isinstance(key, Ed25519PrivateKey) else key.sign(message, ec.ECDSA(hashes.SHA256()))


def lay(rig: Rig, name: str, key: Private) -> Path:
    """Lay the key of a builder where the server of the tests looks for it."""
    folder = rig.state.settings.data_dir / "builders"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.pem").write_bytes(pem(key))
    return folder / f"{name}.pem"


def pem(key: Private) -> bytes:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def make(rig: Rig, folder: Path, sbom: bytes | None, version: str = "1.1") -> Shelf:
    """A signed release folder with a bill of materials."""
    tree, out = folder / f"tree-{version}", folder / f"out-{version}"
    tree.mkdir()
    (tree / "model").write_text(version)
    recipe = Recipe("app", version, int(version.replace(".", "")), hw=("rpi5", "jetson-orin"))
    build_release(tree, recipe, out, sbom=sbom)
    sign_release(out, rig.keys, PASSPHRASE, datetime.now(timezone.utc))
    return Shelf(out)


def publish(rig: Rig, shelf: Shelf) -> Release:
    documents = {p.name: p.read_bytes() for p in shelf.folder.glob("documents/*")}
    for name, raw in {**shelf.blobs, **documents}.items():
        rig.state.blobs.put(name, raw)
    return rig.state.releases.publish(shelf.role, shelf.manifest, "ann", NOW)


def with_bill(rig: Rig, release: str, *purls: str) -> None:
    """Give a release of the tests a bill, without the files that it would be built from."""
    with rig.db.write() as session:
        service.take_bill(session, release, bill(*purls), "ann", NOW)


def importer(rig: Rig) -> service.Importer:
    return service.Importer(rig.db, rig.state.feedback)
