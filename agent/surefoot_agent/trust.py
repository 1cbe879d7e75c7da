"""The `Trust` port: asks a short-lived child process what verified metadata allows, and keeps the floors.

python-tuf and everything that parses a stranger's bytes live in the child (`surefoot_agent.trust_child`): its memory
goes when it ends, and a crash, a hang or a flood of output is an error like any other. The parent trusts of the child's
answer only what decodes as a Decision. Refuses to run two verifications at once. The child gets no secret and no
environment.
"""

from __future__ import annotations

import base64
import logging
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from surefoot_agent.ports import Decision
from surefoot_agent.trust_talk import SLOW, Answer, Question
from surefoot_shared import wire
from surefoot_shared.errors import (
    ConfigError,
    InstallFailed,
    Invalid,
    SurefootError,
    Unreachable,
    UntrustedRelease,
)
from surefoot_shared.messages import MetadataVersions
from surefoot_shared.release import TargetNote
from surefoot_shared.trust.age import Old, grown_old
from surefoot_shared.trust.clock import EPOCH, TrustedTime, parse_time, trusted_time
from surefoot_shared.trust.floors import Floors, FloorStore
from surefoot_shared.trust.versions import metadata_versions

LOG = logging.getLogger(__name__)

TIMEOUT_S = 60.0
"""Half a second is usual; a Pi with a busy card and a role of a thousand releases needs some."""
ANSWER_LIMIT_BYTES = 1024 * 1024
FAMILIES: dict[str, type[SurefootError]] = {
    family.__name__: family for family in (UntrustedRelease, ConfigError, InstallFailed, Invalid)
}


@dataclass(frozen=True, slots=True)
class _Early:
    """A halt list that the director's root of that version does not prove."""

    raw: bytes
    root: int


class ChildTrust:
    """The real adapter of `ports.Trust`; `trust_folder` is `<state_dir>/trust`."""

    def __init__(
        self,
        trust_folder: Path,
        device: str,
        hw: str,
        timeout_s: float = TIMEOUT_S,
        argv: tuple[str, ...] = (sys.executable, "-I", "-B", "-m", "surefoot_agent.lean", "trust_child"),
        nonces: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._folder, self._device, self._hw = trust_folder, device, hw
        self._timeout_s, self._argv, self._nonces = timeout_s, argv, nonces
        self._one_at_a_time = threading.Lock()
        self._lacks_files = False
        self._early: _Early | None = None

    def decide(self, bundle: bytes) -> Decision:
        """Verify a bundle. Raises UntrustedRelease, ConfigError, InstallFailed, or Unreachable (try again)."""
        try:
            decision = self._ask("decide", bundle).decision
        except UntrustedRelease as error:
            # A file was missing or torn: the next hello asks for every file, so a damaged cache heals by itself.
            self._lacks_files = error.kind == "bundle_malformed"
            raise
        if decision is None:
            raise _no_answer()
        self._lacks_files = False
        return self._with_early_halt(decision)

    def halt(self, metadata: bytes) -> tuple[int, tuple[str, ...], int]:
        """Verify and remember a halt list; returns (epoch, digests, director's root). Raises as `decide`.

        After a rotation a list may come before the root that says who signs it: it is kept until that root is here.
        """
        try:
            answer = self._ask("halt", metadata).halt
        except UntrustedRelease:
            self._early = _Early(metadata, self.versions()[1].root)
            raise
        if answer is None:
            raise _no_answer()
        self._early = None
        return answer.epoch, answer.digests, answer.root

    def _with_early_halt(self, decision: Decision) -> Decision:
        """Judge the wishes by the list that the new root proves, not by one that a dropped key may have signed."""
        early = self._early
        if early is None or decision.director.root <= early.root:
            return decision
        try:
            epoch, digests, root = self.halt(early.raw)
        except SurefootError:  # it is of a stranger: refused once more, and told before
            return decision
        return replace(decision, halt_epoch=epoch, halted=digests, halt_root=root)

    def rehearse(self) -> None:
        """Prove that this agent's verification works on what this device holds; raises SurefootError."""
        self._ask("rehearse", b"")

    def versions(self) -> tuple[MetadataVersions, MetadataVersions]:
        """Return (image, director) as held, or nothing but the roots where the cache proved damaged."""
        image, director = metadata_versions(self._folder)
        if self._lacks_files:
            return MetadataVersions(root=image.root), MetadataVersions(root=director.root)
        return image, director

    def committed(self, note: TargetNote, digest: str) -> None:
        FloorStore(self._folder).committed(note, digest)

    def grown_old(self, system_now: datetime) -> Sequence[Old]:
        """What a person should look at because nothing newer was signed for too long."""
        floors = self.floors()
        return tuple(grown_old(floors, trusted_time(system_now, parse_time(floors.time) or EPOCH).at))

    def floors(self) -> Floors:
        """What this device will not go below; raises InstallFailed(journal_unreadable)."""
        return FloorStore(self._folder).load()

    def clock(self, system_now: datetime) -> TrustedTime:
        """The time that expiry is checked against, and where it comes from."""
        return trusted_time(system_now, parse_time(self.floors().time) or EPOCH)

    def _ask(self, verb: str, data: bytes) -> Answer:
        text, nonces = base64.b64encode(data).decode(), tuple(self._nonces())
        question = Question(verb, str(self._folder), self._device, self._hw, text, nonces)
        with self._one_at_a_time:
            raw = self._run(wire.encode(question))
        try:
            answer = wire.decode(Answer, raw, ANSWER_LIMIT_BYTES)
        except Invalid as error:
            raise _no_answer() from error
        if failure := answer.error:
            raise FAMILIES.get(failure.family, UntrustedRelease)(failure.kind, failure.message, failure.hint)
        return answer

    def _run(self, question: bytes) -> bytes:
        # Into files, not pipes: the child's own file size limit then bounds what it can make this process read.
        with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as complaint:
            try:
                done = subprocess.run(
                    self._argv,
                    input=question,
                    stdout=answer,
                    stderr=complaint,
                    timeout=self._timeout_s,
                    env={},
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                message = f"The verification took longer than {self._timeout_s:g} s."
                raise Unreachable("busy", message, SLOW) from error
            except OSError as error:
                raise Unreachable("busy", f"The verification could not be started: {error.strerror}.") from error
            answer.seek(0)
            complaint.seek(0)
            if done.returncode != 0:
                facts = {"code": done.returncode, "text": complaint.read(8000)[-1000:].decode(errors="replace")}
                LOG.warning("verification crashed", extra=facts)
                raise _crash(done.returncode)
            return answer.read(ANSWER_LIMIT_BYTES + 1)


def _no_answer() -> UntrustedRelease:
    return UntrustedRelease("bundle_malformed", "The verification gave an answer that cannot be read.")


def _crash(code: int) -> SurefootError:
    if code == -signal.SIGKILL:  # the kernel took its memory back: no fault of the bundle
        return Unreachable("busy", "The verification was killed, probably because memory was short.")
    if code in (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP):  # a supervisor stops the whole group with the agent
        return Unreachable("busy", "The verification was told to stop.")
    return UntrustedRelease("bundle_malformed", f"The verification could not cope with this bundle (exit code {code}).")
