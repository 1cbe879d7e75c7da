"""What a release must show of itself before its first byte is fetched, and again before it is entered.

Promises: a manifest is believed only by its signed hash, and only where it says what its signed target said; a release
whose probation could not end before the guard acts, or whose checks this agent cannot carry out, is refused.
"""

from __future__ import annotations

from surefoot_agent.health import local, probation
from surefoot_agent.ports import Wish
from surefoot_agent.sight import Hands
from surefoot_shared import checks
from surefoot_shared.errors import InstallFailed, UntrustedRelease
from surefoot_shared.release import Manifest, digest_of, note_of, parse_manifest


def proved_manifest(wish: Wish, raw: bytes, beside: Manifest | None = None) -> Manifest:
    """Parse the manifest of a wish; raises InstallFailed(artifact_corrupt) or UntrustedRelease.

    `beside` is what the other slot holds: files of both are in memory once.
    """
    if digest_of(raw) != wish.digest:
        raise InstallFailed("artifact_corrupt", "The manifest does not match its signed hash.")
    manifest = parse_manifest(raw, beside.files if beside else ())
    if note_of(manifest) != wish.note:
        raise UntrustedRelease("target_mismatch", "The manifest does not say what its signed target says.")
    wrong = checks.first_problem(manifest)
    if wrong:  # a check that this agent cannot carry out as it is written must not pass for one that it can
        raise UntrustedRelease("manifest_malformed", f"Its health checks cannot be carried out: {wrong}.")
    return manifest


def refuse_beyond_budget(hands: Hands, manifest: Manifest) -> None:
    """Raise InstallFailed(probation_too_long): such a release could only be reverted.

    Or check_not_run, where the device's own required checks could not judge it.
    """
    suite = hands.health.suite(manifest)
    local.refuse_unrunnable(suite.checks)
    needed_s = probation.needed_s(suite)
    if needed_s > hands.guard_budget_s:
        own = ", with the device's own checks" if len(suite.checks) > len(manifest.checks) else ""
        message = f"Its probation{own} may take {needed_s:g} s; the guard waits {hands.guard_budget_s:g} s."
        raise InstallFailed("probation_too_long", message)
