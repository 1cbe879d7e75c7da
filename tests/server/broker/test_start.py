"""Which broker starts, and what stands in its way."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_server.broker import mosquitto
from surefoot_server.broker.start import EMBEDDED_NOTICE, start_broker
from surefoot_server.pki.ca import create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_shared.errors import ConfigError, Invalid

pytestmark = pytest.mark.slow


@pytest.fixture
def pki(tmp_path: Path) -> PkiFiles:
    return prepare_pki(tmp_path / "pki", create_ca(tmp_path / "ca"), ["127.0.0.1"])


@pytest.fixture
def parts() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.mark.needs("mosquitto")
def test_mosquitto_is_taken_where_it_is_installed(tmp_path: Path, pki: PkiFiles, parts: contextlib.ExitStack) -> None:
    broker = start_broker(tmp_path, "127.0.0.1", 0, pki)
    parts.callback(broker.stop)

    assert (broker.name, broker.protocol, broker.notice) == ("mosquitto", 5, "")
    assert broker.child.accepts()


def test_the_embedded_broker_is_taken_where_mosquitto_is_missing_and_says_its_limit(
    tmp_path: Path, pki: PkiFiles, parts: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mosquitto, "program", lambda: None)

    broker = start_broker(tmp_path, "127.0.0.1", 0, pki)
    parts.callback(broker.stop)

    assert (broker.name, broker.protocol, broker.notice) == ("embedded", 4, EMBEDDED_NOTICE)
    assert broker.child.accepts()


@pytest.mark.parametrize("which", ["embedded", pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))])
def test_a_port_that_another_program_holds_is_named(tmp_path: Path, pki: PkiFiles, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=str(port)) as caught:
            start_broker(tmp_path, "127.0.0.1", port, pki, prefer=which)

    assert caught.value.kind == "port_in_use"


@pytest.mark.parametrize("which", ["embedded", pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))])
def test_a_server_that_was_killed_leaves_nothing_that_stops_the_next(
    tmp_path: Path, pki: PkiFiles, parts: contextlib.ExitStack, which: str
) -> None:
    killed = start_broker(tmp_path, "127.0.0.1", 0, pki, prefer=which)
    killed.child._stopping.set()  # as if its supervisor had died with the server: nobody starts it again
    old = killed.child.pid

    broker = start_broker(tmp_path, "127.0.0.1", killed.port, pki, prefer=which)
    parts.callback(broker.stop)

    assert broker.child.accepts()
    assert broker.child.pid != old
    assert killed.child.pid is None


@pytest.mark.needs("mosquitto")
def test_a_broken_certificate_is_told_in_the_brokers_own_words(tmp_path: Path, pki: PkiFiles) -> None:
    pki.server_cert.write_bytes(b"rubbish")

    with pytest.raises(ConfigError, match="mosquitto did not start"):
        start_broker(tmp_path, "127.0.0.1", 0, pki, prefer="mosquitto")


def test_a_name_that_is_no_device_is_not_written_into_the_denied(
    tmp_path: Path, pki: PkiFiles, parts: contextlib.ExitStack
) -> None:
    broker = start_broker(tmp_path, "127.0.0.1", 0, pki, prefer="embedded")
    parts.callback(broker.stop)

    with pytest.raises(Invalid):
        broker.deny(["cam\ntopic readwrite #"])
