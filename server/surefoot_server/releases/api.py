"""Releases and blobs over HTTP: operators upload and publish, devices download with a lease."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from starlette.responses import FileResponse

from surefoot_server import db
from surefoot_server.access.guard import require, require_lease
from surefoot_server.access.roles import Principal, Role
from surefoot_server.releases import repository
from surefoot_server.releases.blobs import CHUNK_BYTES
from surefoot_server.releases.models import Release
from surefoot_server.state import state_of
from surefoot_shared.errors import Invalid
from surefoot_shared.release import MANIFEST_LIMIT_BYTES

router = APIRouter(prefix="/api/v1", tags=["releases"])
device_router = APIRouter(prefix="/api/v1", tags=["downloads"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Releaser = Annotated[Principal, Depends(require(Role.RELEASER))]
ROLE_LIMIT_BYTES = 4 * 1024 * 1024
"""About 15,000 supported releases of one component at 223 bytes each."""


class ReleaseOut(BaseModel):
    id: str
    component: str
    version: str
    counter: int
    svn: int
    hw: list[str]
    digest: str
    manifest_size: int
    total_bytes: int
    notes: str
    published_at: datetime
    published_by: str
    running: int = 0


class BlobNames(BaseModel):
    sha256: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(max_length=100_000)


class Missing(BaseModel):
    missing: list[str]


class Stored(BaseModel):
    sha256: str
    size_bytes: int


class BlobResponse(FileResponse):
    """A blob with ranges. 256 KiB a read: 64 KiB costs a third of the speed, 1 MiB 600 MB at 500 clients."""

    chunk_size = 256 * 1024


@router.get("/releases")
def list_releases(request: Request, _who: Viewer, component: str = "") -> list[ReleaseOut]:
    with state_of(request).db.read() as session:
        running = repository.running(session)
        return [_out(row, running.get(row.id, 0)) for row in repository.newest_first(session, component)]


@router.get("/releases/{component}/{version}")
def show_release(request: Request, component: str, version: str, _who: Viewer) -> ReleaseOut:
    with state_of(request).db.read() as session:
        row = repository.get(session, f"{component}/{version}")
        return _out(row, repository.running(session).get(row.id, 0))


@router.post("/releases", status_code=201)
def publish(request: Request, manifest: UploadFile, role: UploadFile, who: Releaser) -> ReleaseOut:
    """Publish a signed release whose blobs were uploaded: `manifest` and `role` as `surefoot release` made them."""
    raw = _read(manifest, MANIFEST_LIMIT_BYTES, "manifest")
    signed = _read(role, ROLE_LIMIT_BYTES, "role")
    return _out(state_of(request).releases.publish(signed, raw, who.name, db.utc_now()), 0)


@router.post("/blobs/missing")
def missing(request: Request, body: BlobNames, _who: Releaser) -> Missing:
    """Which of these blobs the server lacks."""
    return Missing(missing=state_of(request).blobs.missing(body.sha256))


@router.put("/blobs/{sha256}", status_code=201)
async def upload(request: Request, sha256: str, _who: Releaser) -> Stored:
    """Take the request's body as the blob of this name; it appears only once its hash was checked."""
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isdecimal() else None
    writer = await run_in_threadpool(state_of(request).blobs.write, sha256, size)
    held = bytearray()
    try:
        async for chunk in request.stream():
            held += chunk
            if len(held) >= CHUNK_BYTES:
                await run_in_threadpool(writer.feed, bytes(held))
                held.clear()
        await run_in_threadpool(writer.feed, bytes(held))
        return Stored(sha256=sha256, size_bytes=await run_in_threadpool(writer.finish))
    except BaseException:  # a client that hangs up cancels this task: the half blob must go as well
        writer.abort()
        raise


@device_router.api_route("/blobs/{sha256}", methods=["GET", "HEAD"])
def download(request: Request, sha256: str, _device: Annotated[str, Depends(require_lease)]) -> BlobResponse:
    """A blob, whole or by Range; the ETag is its digest, so a resumed download never mixes two files."""
    path = state_of(request).blobs.existing(sha256)
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "public, max-age=31536000, immutable"}
    return BlobResponse(path, media_type="application/octet-stream", headers=headers)


def _read(upload: UploadFile, limit_bytes: int, name: str) -> bytes:
    raw = upload.file.read(limit_bytes + 1)
    if len(raw) > limit_bytes:
        raise Invalid("too_large", f"The {name} has more than {limit_bytes} bytes.")
    return raw


def _out(row: Release, running: int) -> ReleaseOut:
    return ReleaseOut(
        **{name: getattr(row, name) for name in ReleaseOut.model_fields if name != "running"}, running=running
    )
