"""An address and a secret do not stand in the database as they are."""

from __future__ import annotations

from surefoot_server.notify.models import Form
from surefoot_server.notify.service import NotifyService, Order
from tests.server.notify.receiver import Receiver
from tests.server.rig import NOW, Rig


def test_the_database_alone_gives_no_address_and_no_secret_away(
    rig: Rig, service: NotifyService, receiver: Receiver
) -> None:
    _, secret = service.create(Order("ops", receiver.url + "&token=hushhush", Form.CLOUDEVENTS), "alice", NOW)
    rig.db.dispose()

    raw = (rig.state.settings.data_dir / "surefoot.db").read_bytes()

    assert secret.startswith("whsec_")
    assert (secret.encode() in raw, b"hushhush" in raw) == (False, False)
