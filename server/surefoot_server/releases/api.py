"""Releases and blobs over HTTP: operators upload and publish, devices download with a lease."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from starlette.responses import FileResponse

from surefoot_server import db
from surefoot_server.access.guard import require, require_lease
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.packs import service as pairs
from surefoot_server.paging import Paged
from surefoot_server.releases import repository
from surefoot_server.releases.blobs import CHUNK_BYTES
from surefoot_server.releases.models import Release
from surefoot_server.state import state_of
from surefoot_shared.errors import Invalid
from surefoot_shared.release import MANIFEST_LIMIT_BYTES, role_name

router = APIRouter(prefix="/api/v1", tags=["releases"])
device_router = APIRouter(prefix="/api/v1", tags=["downloads"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Looker = Annotated[Principal, Depends(require(Role.VIEWER, Over.RELEASE))]
Releaser = Annotated[Principal, Depends(require(Role.RELEASER, Over.ORDER))]
ROLE_LIMIT_BYTES = 4 * 1024 * 1024
"""About 15,000 supported releases of one component at 223 bytes each."""


ADDRESS_VALID_S = 3600.0


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


class PacksOut(BaseModel):
    """The packs of one pair: from which release they lead here, and what they save the devices that run it."""

    from_digest: str
    from_release: str
    state: str
    reason: str
    size_bytes: int
    lacking_bytes: int
    seconds: float
    devices: int


class SignaturesOut(BaseModel):
    """Of the role that lists the release: `threshold` signatures are needed, and who gave theirs."""

    role: str
    version: int
    expires: datetime
    threshold: int
    signed: list[str]
    unsigned: list[str]


class WhereOut(BaseModel):
    """Devices that run it, by hardware and site; those wanted on it, and those that keep it in their other slot."""

    running: int
    by_hw: dict[str, int]
    by_site: dict[str, int]
    wanted: int
    other_slot: int


class ReleaseShown(ReleaseOut):
    """`standing`: how the release keys see it: listed, withdrawn, revoked, or outdated by its security version."""

    packs: list[PacksOut] = []
    standing: str = ""
    signatures: SignaturesOut | None = None
    where: WhereOut | None = None


class BlobNames(BaseModel):
    sha256: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}(\.zst)?$")]] = Field(max_length=100_000)


class Names(BaseModel):
    names: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}(\.zst)?$")]] = Field(max_length=1000)


class Addresses(BaseModel):
    urls: dict[str, str]
    valid_s: float
    v: int = 1


class Missing(BaseModel):
    missing: list[str]


class Stored(BaseModel):
    sha256: str
    size_bytes: int


class BlobResponse(FileResponse):
    """A blob with ranges. 256 KiB a read: 64 KiB costs a third of the speed, 1 MiB 600 MB at 500 clients."""

    chunk_size = 256 * 1024


@router.get("/releases")
def list_releases(request: Request, _who: Viewer, page: Paged, component: str = "") -> list[ReleaseOut]:
    """By component, the newest first."""
    with state_of(request).db.read() as session:
        running = repository.running(session)
        rows = page.of(repository.newest_first(session, component), _turn)
        return [_out(row, running.get(row.id, 0)) for row in rows]


def _turn(row: Release) -> str:
    """Sorts by component, and in it the highest counter first."""
    return f"{row.component} {(1 << 63) - row.counter:020}"


@router.get("/releases/{component}/{version}")
def show_release(request: Request, component: str, version: str, _who: Looker) -> ReleaseShown:
    state = state_of(request)
    with state.db.read() as session:
        row = repository.get(session, f"{component}/{version}")
        packs = [PacksOut(**dataclasses.asdict(one)) for one in pairs.shown(session, component, row.digest)]
        where = repository.where(session, row)
    listed, role = state.online.listed(component), role_name(component)
    signed = next((s for s in state.online.signatures() if s.role == role), None)
    return ReleaseShown(
        **_out(row, where.running).model_dump(),
        packs=packs,
        standing=listed.standing(component, version, row.digest, row.svn) if listed else "withdrawn",
        signatures=SignaturesOut(**{n: getattr(signed, n) for n in SignaturesOut.model_fields}) if signed else None,
        where=WhereOut(**dataclasses.asdict(where)),
    )


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


@device_router.post("/blobs/urls")
def addresses(request: Request, body: Names, _device: Annotated[str, Depends(require_lease)]) -> Addresses:
    """Addresses in the object storage for those of these blobs that are there; they need no token and end soon."""
    objects = state_of(request).objects
    minted = objects.addresses(body.names, ADDRESS_VALID_S) if objects else {}
    return Addresses(urls=minted, valid_s=ADDRESS_VALID_S)


@device_router.api_route("/blobs/{sha256}", methods=["GET", "HEAD"])
def download(request: Request, sha256: str, _device: Annotated[str, Depends(require_lease)]) -> BlobResponse:
    """A blob, whole or by Range; the ETag is its digest, so a resumed download never mixes two files."""
    blobs = state_of(request).blobs
    path = blobs.existing(sha256)
    headers = {"ETag": blobs.etag(sha256), "Cache-Control": "public, max-age=31536000, immutable"}
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
