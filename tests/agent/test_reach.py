"""Real sockets and handshakes: what fails, in whose words, and whose fault it is said to be."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import reach
from surefoot_agent.reach import Blame, Broken
from surefoot_server.pki.ca import CertificateAuthority, create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_shared.identity import generate_key, key_to_pem
from tests.server.broker.rig import request as csr


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[CertificateAuthority, PkiFiles]:
    folder = tmp_path_factory.mktemp("fleet")
    ca = create_ca(folder / "ca")
    return ca, prepare_pki(folder / "pki", ca, ["127.0.0.1", "localhost"])


def server_context(pki: PkiFiles, clients: bool = True) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server_cert, pki.server_key)
    if clients:
        context.load_verify_locations(pki.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None, close: bool = False) -> Iterator[int]:
    """Take connections, shake hands where a context is given, then wait for the client; or close at once."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = listener.accept()
                with contextlib.suppress(OSError):
                    if close:
                        wire.close()
                        continue
                    safe = context.wrap_socket(wire, server_side=True) if context else wire
                    safe.settimeout(10)
                    safe.recv(1)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def shake(port: int, context: ssl.SSLContext, host: str = "127.0.0.1", timeout_s: float = 5.0) -> str:
    wire = reach.connect(reach.resolve("127.0.0.1", port, 5.0), 5.0)
    return reach.handshake(wire, host, context, timeout_s)


def device(fleet: tuple[CertificateAuthority, PkiFiles], folder: Path, ca: CertificateAuthority) -> ssl.SSLContext:
    key = generate_key()
    (folder / "key").write_bytes(key_to_pem(key))
    (folder / "crt").write_bytes(ca.issue_device(csr("cam-1", key), "cam-1"))
    return reach.context_of(fleet[1].ca, folder / "crt", folder / "key")


def test_a_handshake_with_the_devices_certificate_says_protocol_and_cipher(
    fleet: tuple[CertificateAuthority, PkiFiles], tmp_path: Path
) -> None:
    with serving(server_context(fleet[1])) as port:
        assert shake(port, device(fleet, tmp_path, fleet[0])).startswith("TLSv1.3, ")


def test_a_server_that_refuses_our_certificate_is_named_though_tls_13_tells_it_late(
    fleet: tuple[CertificateAuthority, PkiFiles], tmp_path: Path
) -> None:
    stranger = create_ca(tmp_path / "stranger")
    with serving(server_context(fleet[1])) as port, pytest.raises(Broken) as caught:
        shake(port, device(fleet, tmp_path, stranger))

    assert (caught.value.step, caught.value.blame) == ("tls", Blame.THEIRS)
    assert "refuses this node" in caught.value.message


def test_a_server_of_another_fleet_is_not_trusted_and_the_reason_is_the_librarys(
    fleet: tuple[CertificateAuthority, PkiFiles], tmp_path: Path
) -> None:
    foreign = prepare_pki(tmp_path / "pki", create_ca(tmp_path / "ca"), ["127.0.0.1"])
    with serving(server_context(foreign, clients=False)) as port, pytest.raises(Broken) as caught:
        shake(port, reach.context_of(fleet[1].ca))

    assert caught.value.blame is Blame.THEIRS
    assert "We do not trust 127.0.0.1" in caught.value.message


def test_a_certificate_for_another_name_is_not_trusted(fleet: tuple[CertificateAuthority, PkiFiles]) -> None:
    with serving(server_context(fleet[1], clients=False)) as port, pytest.raises(Broken) as caught:
        shake(port, reach.context_of(fleet[1].ca), host="elsewhere.example")

    assert caught.value.blame is Blame.THEIRS
    assert "elsewhere.example" in caught.value.message


def test_a_server_with_which_nothing_is_in_common_is_our_stacks_fault(
    fleet: tuple[CertificateAuthority, PkiFiles],
) -> None:
    old = server_context(fleet[1], clients=False)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    ours = reach.context_of(fleet[1].ca)
    ours.minimum_version = ssl.TLSVersion.TLSv1_3
    with serving(old) as port, pytest.raises(Broken) as caught:
        shake(port, ours)

    assert caught.value.blame is Blame.OURS


@pytest.mark.parametrize("close", [True, False])
def test_a_server_that_breaks_off_or_says_nothing_proves_nothing_against_us(
    fleet: tuple[CertificateAuthority, PkiFiles], close: bool
) -> None:
    with serving(None, close) as port, pytest.raises(Broken) as caught:
        shake(port, reach.context_of(fleet[1].ca), timeout_s=0.3)

    assert (caught.value.step, caught.value.blame) == ("tls", Blame.UNCLEAR)


def test_certificates_that_cannot_be_loaded_are_this_nodes_fault(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    for missing in (tmp_path / "ca.pem", tmp_path / "absent"):
        with pytest.raises(Broken) as caught:
            reach.context_of(missing)
        assert caught.value.blame is Blame.OURS


def test_a_port_that_nobody_serves_is_the_servers_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(Broken) as caught:
        reach.connect(reach.resolve("127.0.0.1", port, 5.0), 5.0)

    assert (caught.value.step, caught.value.blame) == ("tcp", Blame.THEIRS)


def test_a_node_without_a_route_is_to_blame_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "has_route", lambda address: False)
    timed_out = reach._no_connection(reach.Address(socket.AF_INET, ("192.0.2.1", 1)), TimeoutError())

    assert timed_out.blame is Blame.OURS


def test_silence_with_a_route_is_nobodys_fault_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "has_route", lambda address: True)
    timed_out = reach._no_connection(reach.Address(socket.AF_INET, ("192.0.2.1", 1)), TimeoutError())

    assert timed_out.blame is Blame.UNCLEAR


def test_a_firewall_of_this_node_that_forbids_the_way_is_to_blame() -> None:
    refused = reach._no_connection(reach.Address(socket.AF_INET, ("127.0.0.1", 1)), PermissionError(1, "not permitted"))

    assert refused.blame is Blame.OURS


def test_a_name_without_an_address_is_blamed_on_a_node_without_a_resolver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(reach, "has_route", lambda address: True)
    blames = []
    for text in ("", "# nameserver 1.2.3.4\n", "nameserver 192.0.2.53\n"):
        (tmp_path / "resolv.conf").write_text(text)
        monkeypatch.setattr(reach, "RESOLVER", tmp_path / "resolv.conf")
        with pytest.raises(Broken, match="has no address") as caught:
            reach.resolve("updates.example", 1, 5.0)
        blames.append(caught.value.blame)

    assert blames == [Blame.OURS, Blame.OURS, Blame.UNCLEAR]


def test_a_resolver_that_hangs_does_not_hold_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [leave.wait(20)][1:])

    with pytest.raises(Broken, match="no answer") as caught:
        reach.resolve("updates.example", 1, 0.05)
    leave.set()

    assert caught.value.step == "dns"


@contextlib.contextmanager
def answering(pki: PkiFiles, status: int) -> Iterator[str]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = server_context(pki, clients=False).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/api/v1/blobs/0"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [200, 401, 403, 404])
def test_any_answer_of_a_server_that_works_proves_the_way(
    fleet: tuple[CertificateAuthority, PkiFiles], status: int
) -> None:
    with answering(fleet[1], status) as url:
        assert reach.head(url, fleet[1].ca, 5.0) == status


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_or_broken_is_to_blame_itself(
    fleet: tuple[CertificateAuthority, PkiFiles], status: int
) -> None:
    with answering(fleet[1], status) as url, pytest.raises(Broken) as caught:
        reach.head(url, fleet[1].ca, 5.0)

    assert (caught.value.step, caught.value.blame) == ("https", Blame.THEIRS)


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("key", "key cannot be loaded: "),
        ("crt", "is damaged."),
        ("other", "is for another key than"),
        ("ca", "holds no certificate."),
    ],
)
def test_a_damaged_identity_is_told_with_its_file_and_in_no_librarys_words(
    fleet: tuple[CertificateAuthority, PkiFiles], tmp_path: Path, damaged: str, said: str
) -> None:
    key = generate_key()
    (tmp_path / "key").write_bytes(key_to_pem(generate_key() if damaged == "other" else key))
    (tmp_path / "crt").write_bytes(fleet[0].issue_device(csr("cam-1", key), "cam-1"))
    (tmp_path / "ca").write_bytes(fleet[0].pem)
    if damaged != "other":
        (tmp_path / damaged).write_bytes(b"garbage")

    with pytest.raises(Broken) as caught:
        reach.context_of(tmp_path / "ca", tmp_path / "crt", tmp_path / "key")

    assert said in caught.value.message
    assert str(tmp_path) in caught.value.message
    assert not any(word in caught.value.message for word in ("_ssl", "PEM", "NO_", "https://"))
    assert caught.value.hint
