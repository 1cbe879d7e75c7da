from __future__ import annotations

import contextlib
import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from surefoot_agent.download.minting import mint
from surefoot_shared.errors import ConfigError, Invalid, Unreachable
from surefoot_shared.messages import Lease, Source
from tests.agent.download.certificates import Pki, make_pki

NEARER = (Source("http://server/token/", ""), Source("https://elsewhere/", "theirs"))
"""Where artifacts come without TLS as well, that source is the first of a lease."""


class Minter(http.server.BaseHTTPRequestHandler):
    asked: list[tuple[str | None, object]]
    status = 200
    answer: object = None
    drips: tuple[str, ...] = ()
    """Of these parts of the answer every byte takes a while: `head`, `body`."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append((self.headers["Authorization"], body))
        raw = json.dumps(self.answer).encode()
        if "head" in self.drips:
            self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)
        self.send_response(self.status)
        if "body" not in self.drips:  # without a length it ends where the connection does
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self._drip(raw * 100) if "body" in self.drips else self.wfile.write(raw)

    def _drip(self, raw: bytes) -> None:
        with contextlib.suppress(OSError):
            for byte in raw:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def minter(pki: Pki) -> Iterator[tuple[type[Minter], Lease]]:
    handler = type("Bound", (Minter,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.certificate, pki.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{server.server_address[1]}/urls"
        yield handler, Lease("a-1", (*NEARER, Source(url.removesuffix("urls"), "tok")), 60.0, mint_url=url)
        server.shutdown()
        thread.join()


def test_addresses_are_asked_for_by_name_with_the_token(minter: tuple[type[Minter], Lease], pki: Pki) -> None:
    handler, lease = minter
    handler.answer = {"urls": {"n": "https://store/n", "other": "https://store/o"}, "valid_s": 60}

    assert mint(pki.ca, lease, ["n", "missing"]) == {"n": "https://store/n"}
    assert handler.asked == [("Bearer tok", {"names": ["n", "missing"]})]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://store/n", 7, None])
def test_an_address_that_is_none_of_the_network_is_dropped(
    minter: tuple[type[Minter], Lease], pki: Pki, url: object
) -> None:
    handler, lease = minter
    handler.answer = {"urls": {"n": url}}

    assert mint(pki.ca, lease, ["n"]) == {}


@pytest.mark.parametrize(
    ("status", "answer", "family"), [(200, {"urls": 7}, Invalid), (503, {}, Unreachable), (403, {}, ConfigError)]
)
def test_what_is_no_answer_is_told(
    minter: tuple[type[Minter], Lease], pki: Pki, status: int, answer: object, family: type[Exception]
) -> None:
    handler, lease = minter
    handler.answer, handler.status = answer, status

    with pytest.raises(family):
        mint(pki.ca, lease, ["n"])


def test_the_token_never_travels_in_plain_text(pki: Pki) -> None:
    with pytest.raises(Invalid):
        mint(
            pki.ca,
            Lease("a-1", (Source("http://127.0.0.1:9/", "tok"),), 60.0, mint_url="http://127.0.0.1:9/urls"),
            ["n"],
        )


def test_the_token_of_another_source_is_no_key_to_the_server(pki: Pki) -> None:
    with pytest.raises(Invalid):
        mint(pki.ca, Lease("a-1", NEARER, 60.0, mint_url="https://127.0.0.1:9/urls"), ["n"])


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_drips_its_answer_is_left_when_the_time_is_over(
    minter: tuple[type[Minter], Lease], pki: Pki, part: str
) -> None:
    handler, lease = minter
    handler.answer, handler.drips = {"urls": {"n": "https://store/n"}}, (part,)

    with pytest.raises(Unreachable, match=r"no whole answer within 0\.3 s") as caught:
        mint(pki.ca, lease, ["n"], total_s=0.3)

    assert caught.value.kind == "too_slow"


def test_a_server_that_accepts_and_says_nothing_is_left_when_the_time_is_over(pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/urls"
        with pytest.raises(Unreachable) as caught:
            mint(pki.ca, Lease("a-1", (Source(url, "tok"),), 60.0, mint_url=url), ["n"], total_s=0.3)

    assert caught.value.kind == "too_slow"


def test_a_stop_ends_the_question_at_once(minter: tuple[type[Minter], Lease], pki: Pki) -> None:
    handler, lease = minter
    handler.answer, handler.drips = {"urls": {}}, ("head",)

    with pytest.raises(Unreachable):
        mint(pki.ca, lease, ["n"], lambda: bool(handler.asked), total_s=3600)


def test_an_answer_without_end_is_read_no_further_than_its_limit(minter: tuple[type[Minter], Lease], pki: Pki) -> None:
    handler, lease = minter
    handler.answer = {"urls": {str(n): "https://store/" + "x" * 1000 for n in range(2000)}}

    with pytest.raises(Invalid):
        mint(pki.ca, lease, ["0"])
