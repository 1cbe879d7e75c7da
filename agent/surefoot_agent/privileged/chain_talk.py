"""What the privileged half asks its verification child, and what the child may say: values, as `wire` encodes them.

Imports no TUF library: the half that is root parses no metadata and loads nothing that could.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from surefoot_agent.trust_talk import Failure
from surefoot_shared.release import TargetNote
from surefoot_shared.trust.floors import Seen
from surefoot_shared.trust.permit import Permit
from surefoot_shared.trust.policy import Policy


@dataclass(frozen=True, slots=True)
class Question:
    """`root` is trusted; everything else is a stranger's. Bytes are base64."""

    component: str
    digest: str
    root: str
    newer_roots: tuple[str, ...]
    targets: str
    role: str
    now: str
    """UTC, ISO 8601: what expiry is checked against."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class Listed:
    """What release keys signed about the digest."""

    note: TargetNote
    manifest_size: int
    permits: tuple[Permit, ...] = ()
    """Those of this component that lead to the digest."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the release keys say of the digest. `roots` is how many of the newer roots are accepted.

    Policy and versions are told of what must not run too: whoever asks for it must not be able to hide them after.
    """

    roots: int
    policy: Policy
    seen: Mapping[str, Seen]
    listed: Listed | None = None
    refused: Failure | None = None
    """Why nothing is listed; exactly one of the two is set."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """Exactly one of the two is set."""

    proof: Proof | None = None
    error: Failure | None = None
    v: int = 1
