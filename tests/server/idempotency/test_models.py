"""What is kept of an answer gives nothing away."""

from __future__ import annotations

from datetime import datetime, timezone

from surefoot_server.idempotency import service
from surefoot_server.idempotency.service import Answer, Asked
from tests.server.rig import NOW, Rig


def test_neither_credential_nor_key_nor_a_secret_in_the_answer_is_in_the_database(rig: Rig) -> None:
    asked = Asked("Bearer sf_1_topsecret", "my-own-key", "POST", "/api/v1/tokens?", b"{}")
    service.begin(rig.db, asked, NOW)
    service.keep(rig.db, asked, Answer(201, "application/json", b'{"token": "sf_2_shownonce"}'))
    rig.db.dispose()

    raw = (rig.state.settings.data_dir / "surefoot.db").read_bytes()

    assert [word for word in (b"topsecret", b"my-own-key", b"shownonce") if word in raw] == []
    assert service.begin(rig.db, asked, datetime(2026, 3, 1, 13, tzinfo=timezone.utc)) is not None
