"""The evidence for a release over HTTP: as JSON, and as an archive with the documents that it speaks of."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.roles import Principal, Role
from surefoot_server.evidence.facts import Facts, gather
from surefoot_server.evidence.pack import NAMES, pack
from surefoot_server.findings import repository as findings
from surefoot_server.findings.bill import LIMIT_BYTES
from surefoot_server.releases import repository as releases
from surefoot_server.state import ServerState, state_of

router = APIRouter(prefix="/api/v1/releases", tags=["evidence"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]


@router.get("/{component}/{version}/evidence")
def evidence(request: Request, component: str, version: str, _who: Viewer) -> dict[str, Any]:
    """Approvals, signatures, tests, verdicts, the last drill, findings and the audit trail's rows about the release."""
    return _facts(state_of(request), component, version)


@router.get("/{component}/{version}/evidence.zip")
def archive(request: Request, component: str, version: str, _who: Viewer) -> Response:
    """The same with a summary, the manifest, its signed role, the bill of materials and the provenance."""
    state, release_id = state_of(request), f"{component}/{version}"
    facts = _facts(state, component, version)
    with state.db.read() as session:
        wanted = {"manifest.json": releases.get(session, release_id).digest}
        wanted |= {NAMES[d.kind]: d.sha256 for d in findings.documents(session, release_id)}
    found = {name: state.blobs.read(sha256, 0, LIMIT_BYTES) for name, sha256 in wanted.items()}
    found["role.json"] = state.online.signed(component, version)[1]
    headers = {"Content-Disposition": f'attachment; filename="{component}-{version}-evidence.zip"'}
    return Response(pack(facts, found), media_type="application/zip", headers=headers)


def _facts(state: ServerState, component: str, version: str) -> Facts:
    with state.db.read() as session:
        releases.get(session, f"{component}/{version}")
        signed, _ = state.online.signed(component, version)
        return gather(session, f"{component}/{version}", signed, db.utc_now(), state.builders.judge)
