"""Keys of builders come and go by files; the audit trail tells each change once."""

from __future__ import annotations

import hashlib
import os
import subprocess
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from surefoot_server.audit import service as audit
from surefoot_server.findings.roster import ACTION, OBJECT, Roster, fingerprint
from tests.server.findings.bills import lay
from tests.server.rig import NOW, Rig

CI, LAB = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
LATER = NOW + timedelta(minutes=1)


def roster(rig: Rig) -> Roster:
    """One that has only just started: nothing is remembered but what the trail says."""
    return Roster(rig.db, rig.state.builders.keys)


def rows(rig: Rig) -> list[tuple[list[str], list[str]]]:
    """Names before and after, the oldest change first."""
    with rig.db.read() as session:
        found = [row for row in audit.entries(session, OBJECT) if row.action == ACTION]
        return [(sorted(row.detail["before"]), sorted(row.detail["after"])) for row in reversed(found)]


def test_without_keys_there_is_nothing_to_note(rig: Rig) -> None:
    assert not roster(rig).note(NOW)
    assert rows(rig) == []


def test_a_key_that_comes_or_goes_is_noted_once_whoever_asks_again(rig: Rig) -> None:
    ci, _ = lay(rig, "ci", CI), lay(rig, "lab", LAB)

    first = [roster(rig).note(NOW), roster(rig).note(NOW)]
    ci.unlink()
    then = [roster(rig).note(LATER), roster(rig).note(LATER)]

    assert first + then == [True, False, True, False]
    assert rows(rig) == [([], ["ci", "lab"]), (["ci", "lab"], ["lab"])]


def test_another_key_under_the_same_name_is_a_change(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    lay(rig, "ci", CI)
    roster(rig).note(NOW)

    lay(rig, "ci", LAB)

    assert roster(rig).note(LATER)
    assert rows(rig)[-1] == (["ci"], ["ci"])
    assert "builder_keys_changed added=[('ci', '" in caplog.text


def test_a_file_that_became_unusable_counts_as_gone(rig: Rig) -> None:
    path = lay(rig, "ci", CI)
    roster(rig).note(NOW)

    path.write_text("no key")

    assert roster(rig).note(LATER)
    assert rows(rig)[-1] == (["ci"], [])


def test_a_name_that_is_no_text_is_noted_too(rig: Rig) -> None:
    path = lay(rig, "ci", CI)
    path.rename(os.fsdecode(os.fsencode(path.parent) + b"/c\xff.pem"))

    assert roster(rig).note(NOW)
    assert rows(rig) == [([], ["c\\udcff"])]


def test_the_fingerprint_is_what_openssl_says(rig: Rig) -> None:
    path = lay(rig, "lab", LAB)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", path, "-outform", "DER"], capture_output=True, check=True
    ).stdout

    assert fingerprint(rig.state.builders.keys()[0]) == hashlib.sha256(der).hexdigest()
