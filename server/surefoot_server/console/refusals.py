"""A refusal in the reader's language: what its kind means and what to do; the service's own sentence stays beside it.

Promises: services, API, logs and command line speak English, and a page in English shows their sentence; a page in
another language begins with its own, so that nobody must read English to know what happened. Refuses to guess: what
has no text here is shown by its family.
"""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_server.languages.catalogue import N_, SOURCE, Language
from surefoot_server.languages.sentences import told
from surefoot_shared import errors
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, NotFound, SurefootError, Unreachable

KINDS: dict[str, str] = {
    "not_found": N_("There is nothing of this name. The list shows what there is."),
    "not_allowed": N_("Your role does not allow this here. Ask an administrator, or somebody whose role does."),
    "not_signed_in": N_("You are not signed in any more. Sign in again."),
    "conflict": N_("The present state does not allow this. Look at it again, then decide."),
    "malformed": N_("Something that was typed is not right. Correct it and send it again."),
    "not_signed": N_("The server could not sign it. Look at its log, and at the expiry of the keys."),
    "signature_missing": N_("The message is not signed. Let the other system sign it."),
    "signature_wrong": N_("The signature is not one of this address's secrets."),
    "signature_stale": N_("The message is too old, or a clock is wrong."),
    "too_large": N_("That is too large."),
    "too_many": N_("Too many attempts. Wait a little, then try again."),
    "busy": N_("The server is busy. Try again in a moment."),
    "unreachable": N_("Something that the server needs cannot be reached. Try again later."),
    "no_space": N_("The server's disk is full: nothing can be stored until somebody makes room."),
    "halted": N_("The release is on the halt list: nobody may install it until somebody lifts that."),
    "lease_expired": N_("The permission to download ended; a new one is given when it is asked for."),
    "target_mismatch": N_("This is not what the release keys signed."),
    "signatures_missing": N_("Signatures are missing: others must sign as well."),
    "metadata_expired": N_("Signed files expired: somebody with the offline keys must sign anew."),
    "metadata_untrusted": N_("The signatures are not those of keys that are trusted here."),
    "metadata_rollback": N_("This is older than what was seen already."),
    "wrong_repository": N_("This belongs to another repository."),
    "wrong_hardware": N_("The release is not made for this hardware."),
    "artifact_corrupt": N_("What is stored of the release does not match its signed hash. Publish it again."),
    "artifact_missing": N_("A file of the release is missing on the server. Publish it again."),
    "sbom_malformed": N_("The bill of materials cannot be read."),
    "provenance_unfit": N_("The provenance statement is not about this release."),
    "enrolment_refused": N_("The device was not let in."),
    "key_missing": N_("A key is missing on the server. Look at its log."),
    "key_permissions": N_("A key on the server may be read by others. Look at its log."),
    "config_invalid": N_("A setting of the server is wrong. Look at its log."),
    "config_unreadable": N_("A file of the server cannot be read. Look at its log."),
    "config_unknown_key": N_("A setting of the server is not known. Look at its log."),
}
FAMILIES: tuple[tuple[type[SurefootError], str], ...] = (
    (NotFound, KINDS["not_found"]),
    (NotAllowed, KINDS["not_allowed"]),
    (Conflict, KINDS["conflict"]),
    (Invalid, KINDS["malformed"]),
    (Unreachable, KINDS["unreachable"]),
)
ELSE = N_("It was not done.")
HINTS: dict[str, str] = {
    "not_allowed": N_("Ask an administrator for that role, or somebody who has it to do this."),
}
"""What a person does about it, where the registry speaks to whoever writes a program."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """`detail` is empty where `said` is the service's sentence already; it and `hint` may be in English."""

    kind: str
    said: str
    detail: str
    hint: str
    english: bool = False
    """Whether `detail` has no words in the reader's language."""


def of(say: Language, error: SurefootError) -> Refusal:
    general = error.kind in errors.KINDS and error.hint == errors.KINDS[error.kind].hint
    hint = HINTS.get(error.kind, error.hint) if general else error.hint
    if say.code == SOURCE:
        return Refusal(error.kind, error.message, "", hint)
    detail = told(say, error.message)
    hint = say.gettext(hint) if hint in HINTS.values() else told(say, hint)
    return Refusal(error.kind, say.gettext(_text(error)), detail, hint, detail == error.message)


def _text(error: SurefootError) -> str:
    if error.kind in KINDS:
        return KINDS[error.kind]
    return next((text for family, text in FAMILIES if isinstance(error, family)), ELSE)
