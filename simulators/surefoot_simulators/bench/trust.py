"""What trust costs: bytes on the wire, time to verify, time to sign, and the memory that the agent keeps afterwards.

Promises: real keys, real metadata and the device's own code; a repository of RELEASES releases with thresholds of 2. A
verification is the whole of it: bundle, both repositories from nothing, match rules, every fsync. The agent's memory is
that of a process with all of the agent loaded that has verified in its child, as it does on a device.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median

from securesystemslib.signer import CryptoSigner

from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.messages import AssignmentNote
from surefoot_shared.release import Manifest, TreeFile, digest_of, manifest_bytes, role_name
from surefoot_shared.status import Intent
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.director import SignedWish, sign_assignments
from surefoot_shared.trust.fields import DIRECTOR, IMAGE
from surefoot_shared.trust.repository import (
    ROLES,
    build_release_role,
    build_root,
    build_snapshot,
    build_targets,
    build_timestamp,
    release_target,
)
from surefoot_shared.trust.signing import RoleKeys, new_signer, sign
from surefoot_shared.trust.verify import decide
from surefoot_simulators.bench.figures import Figure

DEVICE, HW, COMPONENT = "cam-0017", "jetson-orin", "camera"
RELEASES = 10
VERIFICATIONS, SIGNINGS = 15, 300
ASSIGNMENT_GOAL_BYTES, WHOLE_GOAL_BYTES = 1_000.0, 8_000.0
VERIFY_GOAL_MS, SIGN_GOAL_MS, AGENT_GOAL_MIB = 60.0, 1.0, 40.0
AGENT = """
import sys, time
from pathlib import Path
import surefoot_agent.__main__, surefoot_agent.node
from surefoot_agent.trust import ChildTrust
trust = ChildTrust(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
began = time.monotonic()
assert trust.decide(Path(sys.argv[4]).read_bytes()).wishes
print((time.monotonic() - began) * 1000)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS:")))
"""


@dataclass(frozen=True)
class Repositories:
    """Both repositories of a small fleet: files by name, and who signs for the director."""

    image: Mapping[str, str]
    director_root: str
    director: CryptoSigner
    wish: SignedWish

    def assignment(self, number: int, now: datetime) -> Mapping[str, str]:
        return sign_assignments(DEVICE, [self.wish], number, now, self.director)


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    """Raise UntrustedRelease where the device refuses what was made for it."""
    now = datetime.now(timezone.utc)
    made = repositories(now)
    small = pack(Bundle(DEVICE, made.assignment(1, now), {}))
    whole = pack(Bundle(DEVICE, {"1.root.json": made.director_root, **made.assignment(2, now)}, made.image))
    say(f"bundles of {len(small)} and {len(whole)} bytes")
    verify_ms = median(_verify_ms(work / f"trust-{number}", made, whole, now) for number in range(VERIFICATIONS))
    sign_ms = median(_sign_ms(made, 10 + number, now) for number in range(SIGNINGS))
    child_ms, rss_mib = _agent(work, made, whole)
    about = f"{RELEASES} releases in one role, thresholds of 2"
    return [
        Figure("bundle of an assignment", len(small), "B", ASSIGNMENT_GOAL_BYTES, note="director files, no root"),
        Figure("bundle of both repositories", len(whole), "B", WHOLE_GOAL_BYTES, note=about),
        Figure("verification of both repositories", verify_ms, "ms", VERIFY_GOAL_MS, note=about),
        Figure("director signing, one device", sign_ms, "ms", SIGN_GOAL_MS, note="three files"),
        Figure(
            "agent after a verification in its child, resident memory",
            rss_mib,
            "MiB",
            AGENT_GOAL_MIB,
            note=f"a first download loads 2 MiB more; the child's start, import and answer took {child_ms:.0f} ms",
        ),
    ]


def repositories(now: datetime, component: str = COMPONENT, manifests: Sequence[bytes] = ()) -> Repositories:
    """Sign these releases of a component, or RELEASES small ones; the newest is wanted."""
    year, week = now + timedelta(days=365), now + timedelta(days=7)
    signers = {role: [new_signer(), new_signer()] for role in (*ROLES, component)}
    keys = {role: RoleKeys(tuple(each.public_key for each in pair), 2) for role, pair in signers.items()}
    director, halt = new_signer(), new_signer()
    online = RoleKeys((director.public_key,))
    roots = build_root(IMAGE, "bench", 1, now, year, {role: keys[role] for role in ROLES})
    offline = {"root": keys["root"], **dict.fromkeys(ROLES[1:], online)}
    director_root = build_root(DIRECTOR, "bench", 1, now, year, offline, RoleKeys((halt.public_key,)))
    manifests = manifests or [_manifest(number) for number in range(RELEASES)]
    role = build_release_role(1, year, [release_target(raw) for raw in manifests])
    name = role_name(component)
    image = {
        "1.root.json": sign(roots, signers["root"]),
        "1.targets.json": sign(build_targets(1, year, {component: keys[component]}), signers["targets"]),
        f"1.{name}.json": sign(role, signers[component]),
        "1.snapshot.json": sign(build_snapshot(1, week, {"targets": 1, name: 1}), signers["snapshot"]),
        "timestamp.json": sign(build_timestamp(1, week, 1), signers["timestamp"]),
    }
    newest = manifests[-1]
    note = AssignmentNote(DEVICE, "9f2c1b6e5d7a4c3f8e0b1a2c3d4e5f60", component, 1, Intent.UPDATE)
    return Repositories(
        {file: raw.decode() for file, raw in image.items()},
        sign(director_root, signers["root"]).decode(),
        director,
        SignedWish(note, f"1.{RELEASES - 1}", digest_of(newest), len(newest)),
    )


def _manifest(number: int) -> bytes:
    files = (TreeFile("bin/camera", 0o755, 1000, digest_of(bytes([number]))),)
    return manifest_bytes(Manifest(COMPONENT, f"1.{number}", 100 + number, 1, (HW, "rpi5"), files))


def _trust_folder(folder: Path, made: Repositories) -> Path:
    (folder / "bootstrap").mkdir(parents=True)
    (folder / "bootstrap" / f"{IMAGE}.root.json").write_text(made.image["1.root.json"])
    (folder / "bootstrap" / f"{DIRECTOR}.root.json").write_text(made.director_root)
    return folder


def _verify_ms(folder: Path, made: Repositories, raw: bytes, now: datetime) -> float:
    _trust_folder(folder, made)
    began = time.perf_counter()
    verified = decide(folder, DEVICE, HW, raw, now)
    took_ms = (time.perf_counter() - began) * 1000
    if not verified.approved:
        raise UntrustedRelease(verified.refused[0].kind, verified.refused[0].message)
    return took_ms


def _sign_ms(made: Repositories, number: int, now: datetime) -> float:
    began = time.perf_counter()
    made.assignment(number, now)
    return (time.perf_counter() - began) * 1000


def _agent(work: Path, made: Repositories, raw: bytes) -> tuple[float, float]:
    """Return (ms of a verification in the child, MiB of the agent afterwards)."""
    folder, bundle = _trust_folder(work / "agent", made), work / "bundle"
    bundle.write_bytes(raw)
    words = [sys.executable, "-I", "-c", AGENT, str(folder), DEVICE, HW, str(bundle)]
    took, kib = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout.split()
    return float(took), int(kib) / 1024
