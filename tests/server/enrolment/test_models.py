from __future__ import annotations

import hashlib

import pytest
from sqlalchemy.exc import IntegrityError

from surefoot_server.enrolment.models import Enrolment, EnrolToken
from tests.server.enrolment.asking import make_token, token_id
from tests.server.rig import NOW, Rig


def test_a_token_is_kept_as_a_hash_and_comes_back_as_it_was(rig: Rig) -> None:
    text = make_token(rig)

    with rig.db.read() as session:
        row = session.get(EnrolToken, token_id(text))

    assert row is not None
    secret = text.split("_")[2]
    assert row.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(row.model_dump())
    assert row.created_at == NOW
    assert (row.uses, row.auto_approve, row.replace, row.tags) == (0, True, False, [])


def test_a_request_without_its_token_cannot_be_stored(rig: Rig) -> None:
    orphan = Enrolment(
        device_id="cam-1", token_id="nothing", hw="x", public_key="", fingerprint="", state="pending", requested_at=NOW
    )

    with pytest.raises(IntegrityError), rig.db.write() as session:
        session.add(orphan)
