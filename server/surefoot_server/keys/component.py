"""Add a component to a fleet: the top level delegates it, and its release role begins empty.

It is a rotation like any other: with all signers here it is in force at once, else it waits for others to cosign.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from surefoot_server.keys.cosign import propose
from surefoot_server.keys.layout import IMAGE_RELEASE, KeyFolder
from surefoot_server.keys.offline import OFFLINE_LIFETIME, RELEASE_ROLE_LIFETIME, delegated_components
from surefoot_server.keys.rotation import read_current, role_keys
from surefoot_server.keys.signers import KeyRing
from surefoot_shared.errors import Conflict
from surefoot_shared.release import role_name
from surefoot_shared.trust.repository import build_release_role, build_targets
from surefoot_shared.trust.signing import sign


def add_components(
    folder: Path, ring: KeyRing, now: datetime, components: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files that came into being and the components added. Raises Conflict, ConfigError."""
    current = read_current(KeyFolder(folder))
    known = delegated_components(current.targets)
    added = tuple(component for component in components if component not in known)
    if not added:
        hint = "Nothing was changed. Give another folder, or --component with a new name."
        raise Conflict("conflict", f"{folder} holds keys for {', '.join(components)} already.", hint)
    delegated = {**known, **dict.fromkeys(added, role_keys(current, IMAGE_RELEASE))}
    top = build_targets(current.targets.version + 1, now + OFFLINE_LIFETIME, delegated)
    empty = build_release_role(1, now + RELEASE_ROLE_LIFETIME, ())
    files = {f"image/1.{role_name(component)}.json": sign(empty, ()) for component in added}
    files[f"image/{top.version}.targets.json"] = sign(top, ())
    done = propose(folder, files, f"Add {', '.join(added)}.", ring)
    return tuple(f"repository/{name}" for name in files) if done.in_force else ("pending/rotation.json",), added
