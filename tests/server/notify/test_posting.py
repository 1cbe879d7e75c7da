"""One POST goes where it was judged to go and nowhere else."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from surefoot_server.notify import posting
from surefoot_server.notify.posting import place_of, post
from surefoot_server.pki.ca import create_ca, prepare_pki
from surefoot_shared.errors import Invalid, NotAllowed, Unreachable
from tests.server.notify.receiver import LOOPBACK, Receiver, receiving


def test_a_body_arrives_with_its_headers(receiver: Receiver) -> None:
    receiver.statuses = [201]

    assert post(receiver.url, b"{}", {"webhook-id": "m1"}, LOOPBACK) == 201

    assert (receiver.bodies, receiver.paths) == ([b"{}"], ["/hook?a=1"])
    assert receiver.headers[0]["webhook-id"] == "m1"


def test_without_leave_the_loopback_is_not_reached(receiver: Receiver) -> None:
    with pytest.raises(NotAllowed):
        post(receiver.url, b"{}", {}, ())

    assert receiver.bodies == []


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    with receiving(location=receiver.url) as first:
        first.statuses = [302]

        assert post(first.url, b"{}", {}, LOOPBACK) == 302

    assert receiver.bodies == []


def test_the_connection_goes_to_the_judged_address_and_the_name_is_asked_once(receiver: Receiver) -> None:
    """A name that answers otherwise the second time (DNS rebinding) is not asked a second time."""
    port, asked = int(receiver.url.split(":")[2].split("/")[0]), list[str]()

    def resolved(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    assert post(f"http://hooks.example.com:{port}/x", b"{}", {}, LOOPBACK, resolved=resolved) == 204

    assert asked == ["hooks.example.com"]
    assert receiver.headers[0]["host"] == f"hooks.example.com:{port}"


def test_a_certificate_of_another_name_or_authority_is_refused(tmp_path: Path) -> None:
    pki = prepare_pki(tmp_path / "pki", create_ca(tmp_path / "ca"), ["localhost"])
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(pki.server_cert, pki.server_key)
    trust = ssl.create_default_context(cafile=str(pki.ca))

    def answer(listener: socket.socket) -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            try:
                with served.wrap_socket(taken, server_side=True) as tls:
                    while not tls.recv(4096).endswith(b"{}"):
                        pass
                    tls.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            except OSError:
                continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        port = listener.getsockname()[1]

        def ask(host: str, context: ssl.SSLContext | None) -> int:
            return post(f"https://{host}:{port}/", b"{}", {}, LOOPBACK, context, lambda _h, _p: ["127.0.0.1"])

        assert ask("localhost", trust) == 204
        for host, context in (("localhost", None), ("other.example.com", trust)):
            with pytest.raises(Unreachable, match="certificate"):
                ask(host, context)
        listener.shutdown(socket.SHUT_RDWR)


def test_a_receiver_that_says_nothing_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(Unreachable, match="timed out"):
        post(f"http://127.0.0.1:{mute.getsockname()[1]}/", b"{}", {}, LOOPBACK)


def test_a_receiver_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Unreachable):
        post(f"http://127.0.0.1:{port}/", b"{}", {}, LOOPBACK)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http:///path",
        "http://user:word@example.com/",
        "http://example.com:port/",
        "http://example.com/#part",
        "http://example.com/a b",
        "http://example.com/\r\nX: y",
        "http://exämple.com/",
        "http://[::1",
    ],
)
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        place_of(url)


def test_ports_and_paths_are_what_the_scheme_implies() -> None:
    assert place_of("https://example.com") == posting.Place(True, "example.com", 443, "/")
    assert place_of("http://example.com:81/a?b=c") == posting.Place(False, "example.com", 81, "/a?b=c")
