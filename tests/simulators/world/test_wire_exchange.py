"""mosquitto in step: what test_exchange does not ask of both. That worlds are played alike is test_library's."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.broker import mosquitto
from surefoot_server.inbound import Telegram
from surefoot_shared import topics
from surefoot_shared.errors import ConfigError, SurefootError
from surefoot_simulators.world import wire_exchange
from surefoot_simulators.world.wire_exchange import WireExchange


def test_where_there_is_no_mosquitto_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mosquitto, "program", lambda: None)

    with pytest.raises(ConfigError, match="no mosquitto here") as told:
        WireExchange()

    assert "apt install mosquitto" in told.value.hint


@pytest.mark.needs("mosquitto")
def test_what_ends_leaves_neither_a_process_nor_a_file() -> None:
    one = WireExchange()
    one.start()
    assert one._child is not None
    child, folder = one._child, one._folder
    running = child.pid

    wire_exchange.close_all()

    assert running is not None
    assert child.pid is None
    assert not folder.exists()
    assert not Path(f"/proc/{running}").exists()


@pytest.mark.needs("mosquitto")
def test_a_device_has_no_more_rights_than_its_certificate_gives() -> None:
    exchange = WireExchange()
    exchange.start()
    try:
        exchange.connect("cam-1", b"off")
        with pytest.raises(SurefootError, match="refused"):
            exchange.say("cam-1", topics.up("cam-2", "hello"), b"x", retain=False)
        assert exchange.heard() == []
    finally:
        exchange.close()


@pytest.mark.needs("mosquitto")
def test_a_message_that_nobody_said_ends_the_run() -> None:
    exchange = WireExchange()
    exchange.start()
    try:
        exchange.connect("cam-1", b"off")
        exchange.subscribe("cam-1")
        strange = (False, Telegram(topics.down("cam-2", "ack"), b"x"))
        exchange._devices["cam-1"].came.append(strange)
        with pytest.raises(SurefootError, match="it sent cam-1 what nobody said"):
            exchange.publish(topics.FLEET_HALT, b"h", retain=True)

        assert exchange._server is not None
        exchange._server.came.extend([strange, strange])
        with pytest.raises(SurefootError, match="it sent the server what nobody said"):
            exchange.say("cam-1", topics.up("cam-1", "hello"), b"x", retain=False)
    finally:
        exchange.close()
