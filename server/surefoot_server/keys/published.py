"""How well signed is what the server serves: k of n signatures of each file that people sign, until when, by whom.

Promises: signatures are counted by verifying them with the keys that the delegator lists, never by what a file says of
itself. Reads public metadata only; what the server signs as it goes (snapshot, timestamp, director) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Root, Targets

from surefoot_server.keys.ceremony import Delegator, standing
from surefoot_server.keys.image import newest_root
from surefoot_server.keys.layout import latest
from surefoot_server.keys.offline import delegated_components, read_role_file
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.release import role_name, target_path
from surefoot_shared.trust.fields import DIRECTOR, IMAGE
from surefoot_shared.trust.policy import Policy, policy_path


@dataclass(frozen=True, slots=True)
class Signatures:
    """One file that people sign: `threshold` signatures are needed of those who may sign."""

    repository: str
    role: str
    version: int
    expires: datetime
    threshold: int
    signed: tuple[str, ...]
    unsigned: tuple[str, ...]

    @property
    def keys(self) -> int:
        return len(self.signed) + len(self.unsigned)

    def days_left(self, now: datetime) -> int:
        """Whole days; negative once it has expired."""
        return (self.expires - now).days


@dataclass(frozen=True, slots=True)
class Listed:
    """What the release role of one component says: its releases by version, and what it demands and forbids."""

    releases: Mapping[str, str]
    """target path → sha256 of the manifest"""
    policy: Policy

    def standing(self, component: str, version: str, digest: str, svn: int) -> str:
        """How the release keys see a release: listed, revoked, withdrawn, or outdated by its security version."""
        if digest in self.policy.revoked:
            return "revoked"
        if self.releases.get(target_path(component, version)) != digest:
            return "withdrawn"
        return "outdated" if svn < self.policy.min_svn else "listed"


def signatures(repo_dir: Path) -> tuple[Signatures, ...]:
    """Both roots, the top level and every release role; raises ConfigError."""
    image, director = repo_dir / IMAGE, repo_dir / DIRECTOR
    root, top = newest_root(image), read_role_file(_file(image, "targets"))
    roles = sorted(delegated_components(top))
    return (
        _signed(IMAGE, image, "root", root),
        _signed(IMAGE, image, "targets", root),
        *(_signed(IMAGE, image, role_name(component), top) for component in roles),
        _signed(DIRECTOR, director, "root", newest_root(director)),
    )


def listed(repo_dir: Path, component: str) -> Listed | None:
    """What the component's release role lists; None for a component without one. Raises ConfigError."""
    path = latest(repo_dir / IMAGE, role_name(component))
    if path is None:
        return None
    targets = read_role_file(path).targets
    found = {name: target.hashes["sha256"] for name, target in targets.items()}
    stated = targets.get(policy_path(component))
    try:
        policy = wire.from_json(Policy, stated.custom) if stated else Policy(component)
    except Invalid as error:
        raise ConfigError("config_invalid", f"The policy in {path} cannot be read.") from error
    return Listed(found, policy)


def _signed(repository: str, folder: Path, role: str, delegator: Root | Targets) -> Signatures:
    path = _file(folder, role)
    found = standing(path.read_bytes(), (Delegator(delegator, role),))
    need = found.needs[0]
    expires = delegator.expires if role == "root" else read_role_file(path).expires
    return Signatures(repository, role, found.version, expires, need.threshold, need.signed, need.unsigned)


def _file(folder: Path, role: str) -> Path:
    path = latest(folder, role)
    if path is None:
        raise ConfigError("key_missing", f"{folder} holds no signed {role}.")
    return path
