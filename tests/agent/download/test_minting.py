from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator

import pytest

from surefoot_agent.download.minting import mint
from surefoot_shared.errors import ConfigError, Invalid, Unreachable
from surefoot_shared.messages import Lease, Source
from tests.agent.download.certificates import Pki, make_pki


class Minter(http.server.BaseHTTPRequestHandler):
    asked: list[tuple[str | None, object]]
    status = 200
    answer: object = None

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append((self.headers["Authorization"], body))
        raw = json.dumps(self.answer).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

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
        yield handler, Lease("a-1", (Source("https://one/", "tok"),), 60.0, mint_url=url)
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
        mint(pki.ca, Lease("a-1", (Source("https://one/", "tok"),), 60.0, mint_url="http://127.0.0.1:9/urls"), ["n"])
