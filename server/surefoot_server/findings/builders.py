"""The keys of builders, which the operator lays into `builders/` of the keys folder, and what they vouch for.

Promises: keys are read at each look, so that one that was taken away vouches for nothing from then on, whatever it
signed before. A file that is no such key is named in the warnings and changes nothing for the others. A statement whose
file the server lost or the disk changed is unreadable, never verified. Refuses to write: who may vouch is decided by
whoever may write that folder, not by somebody with a role.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlmodel import Session

from surefoot_server.findings import repository
from surefoot_server.findings.dsse import KEYS, Key, load_key
from surefoot_server.findings.provenance import LIMIT_BYTES, Attested, Standing, judged
from surefoot_server.releases import repository as releases
from surefoot_shared.errors import NotFound

PEM_LIMIT_BYTES = 16 * 1024
PROVENANCE = "provenance"
Judge = Callable[[Session, str], Attested | None]
"""(session, release) → what its provenance is worth; None where it has none."""


class Reads(Protocol):
    """The part of the blob store that reads."""

    def read(self, sha256: str, at: int, size_bytes: int) -> bytes: ...


def trusting_nobody(session: Session, release_id: str) -> Attested | None:
    """The judge of whoever knows no builder: what has a statement has one by no known key."""
    return Attested(Standing.UNKNOWN) if repository.document(session, release_id, PROVENANCE) else None


class Builders:
    """`NAME.pem` in `folder` is the public key of the builder that the operator calls NAME."""

    def __init__(self, folder: Path, blobs: Reads) -> None:
        self._folder, self._blobs = folder, blobs

    def keys(self) -> tuple[Key, ...]:
        """Those that can be used, by name."""
        return self._read()[0]

    def problems(self) -> list[str]:
        """One sentence for each file that cannot be used."""
        return self._read()[1]

    def judge(self, session: Session, release_id: str) -> Attested | None:
        """What the release's provenance is worth now; None where it has none. Raises NotFound for the release."""
        row = repository.document(session, release_id, PROVENANCE)
        if row is None:
            return None
        try:
            raw = self._blobs.read(row.sha256, 0, LIMIT_BYTES + 1)
        except (NotFound, OSError):
            return Attested(Standing.UNREADABLE)
        if hashlib.sha256(raw).hexdigest() != row.sha256:
            return Attested(Standing.UNREADABLE)
        return judged(raw, releases.get(session, release_id).digest, self.keys())

    def _read(self) -> tuple[tuple[Key, ...], list[str]]:
        found: list[Key] = []
        problems = []
        for path in sorted(self._folder.glob("*.pem")):
            if len(found) == KEYS:
                problems.append(f"The key builders/{path.name} is not used: {KEYS} come before it.")
                continue
            try:
                with path.open("rb") as file:
                    found.append(load_key(path.stem, file.read(PEM_LIMIT_BYTES)))
            except ValueError as error:
                problems.append(f"The key builders/{path.name} is not used: {error}.")
            except OSError as error:
                problems.append(f"The key builders/{path.name} is not used: {error.strerror}.")
        return tuple(found), problems
