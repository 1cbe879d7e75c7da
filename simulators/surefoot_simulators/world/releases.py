"""Releases and keys of a simulated fleet: made, signed and published by the server's own code, small and real.

Promises: a device verifies what it gets as anywhere: real roots, a real release role, real hashes of every file. What
is simulated is their size: a release of 300 MB is a few files of some bytes here, and each byte stands for many.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from surefoot_server.keys.init import init_keys
from surefoot_server.keys.listing import propose_policy
from surefoot_server.keys.signers import KeyRing
from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_server.releases.sign import sign_release
from surefoot_shared.release import Application, HealthCheck, Manifest, Probation, parse_manifest
from surefoot_shared.trust.policy import Policy
from surefoot_simulators.world.scratch import scratch_folder

STARTED_AT = datetime(2030, 1, 1, tzinfo=timezone.utc)
"""Every world begins then, so that a run is the same in any year."""
PASSPHRASE = b"simulated fleets only"
PIECES = 8
BYTE = 10_000
"""Simulated bytes for which one real byte stands."""


@dataclass(frozen=True)
class Made:
    """A signed release: what publishing takes, and its blobs."""

    manifest: Manifest
    raw: bytes
    role: bytes
    blobs: dict[str, bytes]


@functools.cache
def keys_made(components: tuple[str, ...]) -> Path:
    """Keys for fleets with these components; made once a process, for the passphrase's key takes its time."""
    folder = scratch_folder()
    init_keys(folder / "keys", PASSPHRASE, STARTED_AT, components=components)
    return folder / "keys"


def demand(keys: Path, component: str, least_svn: int) -> None:
    """Have the release keys say the least security version of a component; what is signed afterwards carries it."""
    propose_policy(keys, Policy(component, least_svn), KeyRing(keys, PASSPHRASE), STARTED_AT)


def make_release(
    keys: Path,
    work: Path,
    component: str,
    version: str,
    counter: int,
    hw: Sequence[str],
    checks: Sequence[HealthCheck],
    probation: Probation,
    size_bytes: float,
    svn: int = 1,
    shadow: bool = False,
) -> Made:
    """Build and sign; half of the pieces are the same in every release, as those of a real one are."""
    tree, out = work / f"tree-{component}-{version}", work / f"release-{component}-{version}"
    tree.mkdir(parents=True)
    (tree / "run").write_text(f"#!/bin/sh\n# {component} {version}\n")
    (tree / "run").chmod(0o755)
    for number in range(PIECES):
        text = f"{component} {number} {version if number % 2 else 'always'}"
        (tree / f"part-{number}").write_text(text.ljust(int(size_bytes / BYTE / PIECES), "."))
    recipe = Recipe(
        component,
        version,
        counter,
        svn=svn,
        hw=tuple(hw),
        application=Application(("run",), shadow=shadow),
        probation=probation,
        checks=tuple(checks),
    )
    build_release(tree, recipe, out)
    sign_release(out, keys, PASSPHRASE, STARTED_AT)
    raw = (out / "manifest.json").read_bytes()
    blobs = {path.name: path.read_bytes() for path in sorted((out / "blobs").iterdir())}
    return Made(parse_manifest(raw), raw, (out / "role.json").read_bytes(), blobs)
