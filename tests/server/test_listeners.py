"""Listeners hold their ports, speak TLS where they must, and stop whatever clients do."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from surefoot_server.listeners import GRACE_S, Listener, Listeners, take_port
from surefoot_server.pki.ca import create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_shared.errors import ConfigError

WAIT_S = 20


def app() -> FastAPI:
    made = FastAPI()

    @made.get("/who")
    def who() -> str:
        return "surefoot"

    return made


@contextmanager
def serving(*listeners: Listener) -> Iterator[Listeners]:
    made, ready = Listeners(listeners), threading.Event()
    thread = threading.Thread(target=made.serve, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(WAIT_S)
        yield made
    finally:
        made.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()


@pytest.fixture
def pki(tmp_path: Path) -> PkiFiles:
    return prepare_pki(tmp_path / "pki", create_ca(tmp_path / "ca"), ["localhost"])


def port_of(taken: socket.socket) -> int:
    return int(taken.getsockname()[1])


def test_a_small_answer_does_not_wait_for_the_other_sides_acknowledgement() -> None:
    with take_port("127.0.0.1", 0, "a test") as taken, socket.create_connection(taken.getsockname()):
        accepted, _ = taken.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_is_named_with_its_purpose() -> None:
    with take_port("127.0.0.1", 0, "a test") as taken:
        with pytest.raises(ConfigError) as refused:
            take_port("127.0.0.1", port_of(taken), "operators' API")

        assert refused.value.kind == "port_in_use"
        assert f"Port {port_of(taken)} (operators' API)" in refused.value.message


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        take_port("192.0.2.1", 0, "devices' HTTPS")

    assert refused.value.kind == "config_invalid"


def test_both_listeners_serve_their_own_application(pki: PkiFiles) -> None:
    with take_port("127.0.0.1", 0, "plain") as plain, take_port("127.0.0.1", 0, "tls") as tls:
        trust = ssl.create_default_context(cafile=str(pki.ca))
        with serving(Listener(app(), plain), Listener(app(), tls, pki)):
            one = httpx.get(f"http://127.0.0.1:{port_of(plain)}/who")
            two = httpx.get(f"https://localhost:{port_of(tls)}/who", verify=trust)

        assert (one.json(), two.json()) == ("surefoot", "surefoot")
        assert "server" not in one.headers


def test_listeners_start_and_end_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    with take_port("127.0.0.1", 0, "plain") as plain, serving(Listener(app(), plain)):
        pass

    assert [r.message for r in caplog.records if r.name.startswith("uvicorn")] == []


def test_a_client_that_does_not_trust_the_ca_gets_no_answer(pki: PkiFiles) -> None:
    with (
        take_port("127.0.0.1", 0, "tls") as tls,
        serving(Listener(app(), tls, pki)),
        pytest.raises(httpx.ConnectError, match="CERTIFICATE"),
    ):
        httpx.get(f"https://localhost:{port_of(tls)}/who")


@pytest.mark.slow
def test_a_client_that_hangs_on_does_not_keep_it_up() -> None:
    with take_port("127.0.0.1", 0, "plain") as plain:
        with serving(Listener(app(), plain)) as listeners, socket.create_connection(plain.getsockname()) as client:
            client.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n")  # never ends
            began = time.monotonic()
            listeners.stop()
        assert time.monotonic() - began < GRACE_S + 5
