"""What the privileged half trusts by itself: its own image root, its own floors, this device's id and hardware.

Promises: a manifest is proved only by a chain that starts at the root kept here, for the hardware kept here, not below
the floors kept here; none of them can be changed by the agent, only raised by what the release keys signed. What is
once newer stays newer (versions bind while the same keys sign). Verification runs in a child of a user who owns
nothing. Raises UntrustedRelease, or ConfigError where this folder was never set up.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from surefoot_agent.clock import stamp
from surefoot_agent.guard import identity_of
from surefoot_agent.privileged.chain_talk import Answer, Listed, Proof, Question
from surefoot_agent.trust import FAMILIES
from surefoot_agent.trust_talk import Failure
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid, SurefootError, Unreachable, UntrustedRelease
from surefoot_shared.release import Manifest, TargetNote, digest_of, note_of, parse_manifest
from surefoot_shared.status import Intent
from surefoot_shared.trust.clock import EPOCH, parse_time, trusted_time
from surefoot_shared.trust.durable import locked, write_durably
from surefoot_shared.trust.fields import IMAGE
from surefoot_shared.trust.floors import Floors, FloorStore
from surefoot_shared.trust.permit import may_use
from surefoot_shared.trust.target import check_target

DEVICE = "device.json"
PERMITTED = "permitted.json"
TIMEOUT_S = 60.0
ANSWER_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Chain:
    """What the agent hands over to have a manifest proved."""

    roots: tuple[bytes, ...]
    targets: bytes
    role: bytes


@dataclass(frozen=True)
class Owner:
    """Whose this device is, as it was set up."""

    device: str
    hw: str
    v: int = 1


@dataclass(frozen=True)
class Permitted:
    digests: dict[str, str]
    v: int = 1


def in_a_child(user: str) -> Callable[[bytes], bytes]:
    """Return what asks a child process of `user` (empty: our own) one question."""

    def ask(question: bytes) -> bytes:
        try:
            who = identity_of(user)
            words = (str(who["user"]), str(who["group"])) if who else ()
            done = subprocess.run(
                (sys.executable, "-I", "-B", "-m", "surefoot_agent.lean", "privileged.chain_child", *words),
                input=question,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT_S,
                env={},
                cwd="/",
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unreachable("busy", f"The verification could not be done: {error}.") from error
        if done.returncode != 0:
            message = f"The verification could not cope with this metadata (exit code {done.returncode})."
            raise UntrustedRelease("bundle_malformed", message)
        return done.stdout

    return ask


class Vault:
    """`folder` belongs to the privileged half alone; `ask` has a question answered, see `in_a_child`."""

    def __init__(self, folder: Path, ask: Callable[[bytes], bytes]) -> None:
        self._folder, self._put = folder, ask
        self._floors = FloorStore(folder)

    def set_up(self, owner: Owner, image_root: bytes) -> None:
        """Keep the root, the id and the hardware; done once, by root. Raises ConfigError where it was done."""
        if (self._folder / DEVICE).exists():
            raise ConfigError("already_running", f"{self._folder} is set up already; it is never changed.")
        (self._folder / "bootstrap").mkdir(parents=True, exist_ok=True, mode=0o755)
        write_durably(self._folder / "bootstrap" / f"{IMAGE}.root.json", image_root)
        write_durably(self._folder / DEVICE, wire.encode(owner))

    def owner(self) -> Owner:
        try:
            return wire.decode(Owner, (self._folder / DEVICE).read_bytes())
        except (FileNotFoundError, Invalid) as error:
            hint = "Run `surefoot-agent adopt` as root once."
            raise ConfigError("not_enrolled", f"{self._folder} was never set up.", hint) from error

    def floors(self) -> Floors:
        return self._floors.load()

    def prove(self, component: str, chain: Chain, raw: bytes, assignment: str, now: datetime) -> Manifest:
        """Return the manifest once the release keys, this hardware and the floors allow it."""
        with locked(self._folder):
            held = self._roots()
            proof = self._ask(component, chain, held, digest_of(raw), now)
            self._keep_roots(chain.roots, held, proof.roots)
            self._remember(proof)
            listed = proof.listed
            if listed is None:
                raise _raised(proof.refused)
            manifest = parse_manifest(raw)
            if len(raw) != listed.manifest_size or note_of(manifest) != listed.note:
                raise UntrustedRelease("target_mismatch", "The manifest does not say what its signed target says.")
            self._judge(listed, digest_of(raw), assignment, now)
        return manifest

    def may_run(self, note: TargetNote, digest: str) -> None:
        """Raise UntrustedRelease where what a slot holds is not for this hardware, or below a floor by now."""
        permitted = digest in self._permits().values()
        check_target(note, Intent.REVERT, self.owner().hw, self.floors(), permitted)

    def refuse_revoked(self, component: str, digest: str) -> None:
        """Raise UntrustedRelease where the newest policy that was shown here revokes what a slot holds."""
        if digest in self.floors().revoked.get(component, ()):
            raise UntrustedRelease("not_released", f"The release keys have revoked {component} {digest[:12]}.")

    def committed(self, note: TargetNote, digest: str) -> None:
        self._floors.committed(note, digest)

    def _permits(self) -> dict[str, str]:
        """Component → the digest that a permit let in last."""
        try:
            return wire.decode(Permitted, (self._folder / PERMITTED).read_bytes()).digests
        except (FileNotFoundError, Invalid):
            return {}

    def _remember(self, proof: Proof) -> None:
        """Policy and versions count from now on, whatever becomes of the release that they came with."""
        floors = self.floors()
        for name, seen in proof.seen.items():
            before = floors.seen.get(name)
            if before and before.keys == seen.keys and before.version > seen.version:
                message = f"{name} has version {seen.version}; this device has verified {before.version}."
                raise UntrustedRelease("metadata_rollback", message)
        self._floors.save(floors.with_seen(proof.seen).with_policy(proof.policy))

    def _judge(self, listed: Listed, digest: str, assignment: str, now: datetime) -> None:
        floors, component = self.floors(), listed.note.component
        permitted = False
        if listed.note.svn < floors.svn.get(component, 0):
            runs, device = floors.committed_digest.get(component), self.owner().device
            for permit in listed.permits:
                usable = may_use(floors.used_permits, permit.id, assignment)
                if usable and permit.covers(device, runs, digest, self._time(now)):
                    floors, permitted = floors.with_permit(permit.id, assignment), True
                    kept = wire.encode(Permitted({**self._permits(), component: digest}))
                    write_durably(self._folder / PERMITTED, kept)
                    break
        check_target(listed.note, Intent.REVERT, self.owner().hw, floors, permitted)
        self._floors.save(floors)

    def _time(self, system_now: datetime) -> datetime:
        return trusted_time(system_now, parse_time(self.floors().time) or EPOCH).at

    def _ask(self, component: str, chain: Chain, held: Sequence[bytes], digest: str, now: datetime) -> Proof:
        known = len(held)
        question = Question(
            component=component,
            digest=digest,
            root=_text(held[-1]),
            newer_roots=tuple(_text(raw) for raw in _after(chain.roots, held[-1])),
            targets=_text(chain.targets),
            role=_text(chain.role),
            now=stamp(self._time(now)),
        )
        raw = self._put(wire.encode(question))
        try:
            answer = wire.decode(Answer, raw, ANSWER_LIMIT_BYTES)
        except Invalid as error:
            raise UntrustedRelease("bundle_malformed", "The verification gave no answer that can be read.") from error
        if failure := answer.error:
            raise _raised(failure)
        if answer.proof is None or not known:
            raise UntrustedRelease("bundle_malformed", "The verification proved nothing.")
        return answer.proof

    def _roots(self) -> list[bytes]:
        """The chain of roots kept here, oldest first; it was verified link by link when it was kept."""
        chain = [(self._folder / "bootstrap" / f"{IMAGE}.root.json").read_bytes()]
        while (path := self._history(_version(chain[-1]) + 1)).exists():
            chain.append(path.read_bytes())
        return chain

    def _keep_roots(self, offered: Sequence[bytes], held: Sequence[bytes], accepted: int) -> None:
        for raw in _after(offered, held[-1])[:accepted]:
            self._history(_version(raw)).parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._history(_version(raw)), raw)

    def _history(self, version: int) -> Path:
        return self._folder / IMAGE / "root_history" / f"{version}.root.json"


def _raised(failure: Failure | None) -> SurefootError:
    if failure is None:
        return UntrustedRelease("bundle_malformed", "The verification says neither yes nor why not.")
    return FAMILIES.get(failure.family, UntrustedRelease)(failure.kind, failure.message, failure.hint)


def _after(offered: Sequence[bytes], newest: bytes) -> list[bytes]:
    """Those offered roots that follow the newest one kept, in order."""
    known = _version(newest)
    return sorted((raw for raw in offered if _version(raw) > known), key=_version)


def _version(raw: bytes) -> int:
    """What a root calls its version; 0 for what is no root. Nothing is trusted by it: the child verifies the chain."""
    try:
        version = json.loads(raw)["signed"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    return version if isinstance(version, int) and not isinstance(version, bool) else 0


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
