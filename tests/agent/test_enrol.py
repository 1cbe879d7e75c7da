"""Enrolment against the real server over real HTTPS: what goes wrong, and that it can always be tried again."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from surefoot_agent import enrol as enrolling
from surefoot_agent.enrol import enrol
from surefoot_agent.identity import Identity, load_identity
from surefoot_server import db
from surefoot_server.app import create_device_app
from surefoot_server.enrolment import repository
from surefoot_server.enrolment.service import TokenWish
from surefoot_server.keys.init import init_keys
from surefoot_server.listeners import Listener, Listeners, take_port
from surefoot_server.pki.ca import create_ca, load_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_shared.errors import ConfigError, Invalid, Unreachable
from surefoot_shared.identity import public_to_pem
from tests.server.rig import Rig, make_rig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet") / "keys"
    init_keys(folder, b"passphrase of the tests", datetime.now(timezone.utc))
    return folder


@dataclass
class Site:
    """A server that devices can enrol with, and the bootstrap folder that its operator copied to them."""

    rig: Rig
    url: str
    bootstrap: Path
    folder: Path

    def token(self, wish: TokenWish | None = None, now: datetime | None = None) -> str:
        with self.rig.db.write() as session:
            chosen = wish or TokenWish(auto_approve=True)
            return self.rig.state.enrolment.create_token(session, chosen, "test", now or db.utc_now())[1]

    def enrol(self, token: str, device: str = "cam-1", state: str = "state") -> Identity:
        return enrol(self.url, self.bootstrap, token, device, "rpi5", self.folder / state)

    def uses(self, token: str) -> int:
        with self.rig.db.read() as session:
            return repository.token(session, token.split("_")[1]).uses


@contextlib.contextmanager
def serving(rig: Rig, pki: PkiFiles) -> Iterator[str]:
    taken = take_port("127.0.0.1", 0, "test")
    listeners, ready = Listeners([Listener(create_device_app(rig.state), taken, pki)]), threading.Event()
    thread = threading.Thread(target=listeners.serve, args=(ready.set,))
    thread.start()
    assert ready.wait(20)
    yield f"https://127.0.0.1:{taken.getsockname()[1]}"
    listeners.stop()
    thread.join(20)


@pytest.fixture
def site(keys: Path, tmp_path: Path) -> Iterator[Site]:
    with make_rig(keys, tmp_path / "data") as rig:
        pki = prepare_pki(tmp_path / "pki", load_ca(keys / "online"), ["127.0.0.1"])
        with serving(rig, pki) as url:
            yield Site(rig, url, keys / "bootstrap", tmp_path)


def test_a_node_that_enrols_has_a_key_that_never_left_it_and_a_certificate_for_its_name(site: Site) -> None:
    identity = site.enrol(site.token())

    certificate = x509.load_pem_x509_certificate(identity.cert_file.read_bytes())
    device = site.rig.device_row("cam-1")
    assert "cam-1" in certificate.subject.rfc4514_string()
    assert device.public_key == public_to_pem(identity.key().public_key()).decode()
    assert (identity.mqtt_host, identity.mqtt_port, identity.mqtt_protocol) == ("localhost", 8883, 5)
    assert load_identity(site.folder / "state") == identity


def test_every_file_of_an_identity_is_its_owners_alone(site: Site) -> None:
    site.enrol(site.token())

    files = [p for p in (site.folder / "state").rglob("*") if p.is_file()]
    assert {p.name for p in files} >= {"device.key", "device.crt", "ca.pem", "device.json", "image.root.json"}
    assert {oct(p.stat().st_mode & 0o777) for p in files} == {"0o600"}
    assert oct((site.folder / "state" / "identity").stat().st_mode & 0o777) == "0o700"


def test_the_roots_of_the_bootstrap_folder_are_what_the_node_trusts(site: Site) -> None:
    site.enrol(site.token())

    for name in ("image.root.json", "director.root.json"):
        copied = site.folder / "state" / "trust" / "bootstrap" / name
        assert copied.read_bytes() == (site.bootstrap / name).read_bytes()


def test_an_empty_mqtt_host_means_where_the_server_is(site: Site) -> None:
    site.rig.state.enrolment._mqtt = type(site.rig.state.enrolment._mqtt)("", 1234, 4)

    identity = site.enrol(site.token())

    assert (identity.mqtt_host, identity.mqtt_port, identity.mqtt_protocol) == ("127.0.0.1", 1234, 4)


def test_running_it_again_changes_nothing_and_asks_nobody(site: Site) -> None:
    first = site.enrol(site.token())
    before = {p: p.read_bytes() for p in (site.folder / "state").rglob("*") if p.is_file()}

    again = enrol(site.url, site.folder / "nowhere", "no token", "cam-1", "rpi5", site.folder / "state")

    assert again == first
    assert {p: p.read_bytes() for p in (site.folder / "state").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    "lost", [["device.json"], ["device.json", "device.crt"], ["device.json", "device.crt", "ca.pem"]]
)
def test_an_enrolment_that_was_cut_off_goes_on_with_its_key_and_costs_no_second_use(
    site: Site, lost: list[str]
) -> None:
    token = site.token()
    first = site.enrol(token)
    key = first.key_file.read_bytes()
    for name in lost:
        (site.folder / "state" / "identity" / name).unlink()

    again = site.enrol(token)

    assert again.key_file.read_bytes() == key
    assert site.uses(token) == 1


def test_a_node_that_is_somebody_already_is_not_made_somebody_else(site: Site) -> None:
    site.enrol(site.token())

    with pytest.raises(ConfigError, match="already cam-1") as caught:
        site.enrol(site.token(), device="cam-2")

    assert caught.value.kind == "conflict"
    assert load_identity(site.folder / "state").device == "cam-1"


@pytest.mark.parametrize("token", ["rubbish", "sfe_", "sfe_000000000000_00", "sfe_x_y_z"])
def test_an_unknown_token_is_refused_with_what_to_do(site: Site, token: str) -> None:
    with pytest.raises(ConfigError, match="unknown") as caught:
        site.enrol(token)

    assert caught.value.kind == "enrolment_refused"
    assert "surefoot enrol-token create" in caught.value.hint
    assert not (site.folder / "state" / "identity" / "device.json").exists()


def test_a_used_up_token_is_refused_as_used(site: Site) -> None:
    token = site.token(TokenWish(max_uses=2, auto_approve=True))
    site.enrol(token, "cam-1", "one")
    site.enrol(token, "cam-2", "two")

    with pytest.raises(ConfigError, match="used 2 times") as caught:
        site.enrol(token, "cam-3", "three")

    assert caught.value.kind == "enrolment_refused"


def test_an_expired_token_is_refused_as_expired(site: Site) -> None:
    token = site.token(TokenWish(valid_s=60, auto_approve=True), db.utc_now() - timedelta(hours=1))

    with pytest.raises(ConfigError, match="expired at 20"):
        site.enrol(token)


def test_a_second_node_cannot_take_the_name_of_an_enrolled_one(site: Site) -> None:
    token = site.token(TokenWish(max_uses=10, auto_approve=True))
    first = site.enrol(token, "cam-1", "one")

    with pytest.raises(ConfigError, match="enrolled already, with another key"):
        site.enrol(token, "cam-1", "two")

    assert site.rig.device_row("cam-1").public_key == public_to_pem(first.key().public_key()).decode()


def test_a_node_that_awaits_approval_is_told_so_and_gets_in_by_asking_again(site: Site) -> None:
    token = site.token(TokenWish())
    with pytest.raises(ConfigError, match="approve") as caught:
        site.enrol(token)
    assert caught.value.kind == "enrolment_pending"

    with site.rig.db.write() as session:
        site.rig.state.enrolment.decide(session, "cam-1", True, "anna", db.utc_now())

    assert site.enrol(token).device == "cam-1"
    assert site.uses(token) == 1


def test_a_name_that_is_no_device_id_is_refused_before_anything_is_written(site: Site) -> None:
    for bad in ("cam/1", "+", "svc-server", "", "a b"):
        with pytest.raises(Invalid, match="not a device id"):
            site.enrol("token", device=bad)

    assert not (site.folder / "state").exists()


def test_a_server_of_another_fleet_is_not_asked(site: Site, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(site.bootstrap, foreign)
    (foreign / "ca.pem").unlink()
    (foreign / "ca.pem").write_bytes(create_ca(tmp_path / "other-ca").pem)
    token = site.token()

    with pytest.raises(ConfigError, match="not the fleet's"):
        enrol(site.url, foreign, token, "cam-1", "rpi5", site.folder / "state")

    assert site.uses(token) == 0


def test_a_certificate_for_another_host_name_is_not_accepted(keys: Path, tmp_path: Path) -> None:
    ca = load_ca(keys / "online")
    pki = prepare_pki(tmp_path / "pki", ca, ["127.0.0.1"])
    key = enrolling.key_from_pem(pki.server_key.read_bytes())
    pki.server_cert.write_bytes(ca.issue_server(["elsewhere.example"], key.public_key()))

    with make_rig(keys, tmp_path / "data") as rig, serving(rig, pki) as url:
        site = Site(rig, url, keys / "bootstrap", tmp_path)
        with pytest.raises(ConfigError, match="not the fleet's") as caught:
            site.enrol(site.token())

    assert "host name" in caught.value.hint


def test_a_server_that_is_away_is_unreachable_and_may_be_tried_again(site: Site) -> None:
    with pytest.raises(Unreachable) as caught:
        enrol("https://127.0.0.1:9", site.bootstrap, site.token(), "cam-1", "rpi5", site.folder / "state")

    assert caught.value.kind == "unreachable"
    assert site.enrol(site.token()).device == "cam-1"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "127.0.0.1:8443", "ftp://x", "https://", "file:///etc/passwd"])
def test_an_address_that_is_not_https_is_refused(site: Site, url: str) -> None:
    with pytest.raises(ConfigError, match="not an https URL"):
        enrol(url, site.bootstrap, "token", "cam-1", "rpi5", site.folder / "state")


def test_a_bootstrap_folder_that_lacks_a_root_is_named(site: Site, tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    shutil.copytree(site.bootstrap, partial)
    (partial / "director.root.json").unlink()

    with pytest.raises(ConfigError, match=r"director\.root\.json") as caught:
        enrol(site.url, partial, "token", "cam-1", "rpi5", site.folder / "state")

    assert caught.value.kind == "config_unreadable"
    assert "bootstrap" in caught.value.hint


def test_a_proxy_of_the_environment_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert site.enrol(site.token()).device == "cam-1"


class Impostor(http.server.BaseHTTPRequestHandler):
    """A server with the fleet's certificate that answers whatever the test likes."""

    answer: tuple[int, dict[str, str], bytes] = (201, {}, b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def impostor(keys: Path, tmp_path: Path) -> Iterator[tuple[str, type[Impostor]]]:
    class Own(Impostor):
        pass

    pki = prepare_pki(tmp_path / "pki", load_ca(keys / "online"), ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server_cert, pki.server_key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", Own
    server.shutdown()
    server.server_close()


def enrolled(certificate: bytes, device: str = "cam-1") -> bytes:
    mqtt = {"host": "h", "port": 1, "protocol": 5}
    return json.dumps({"device": device, "certificate": certificate.decode(), "mqtt": mqtt, "v": 1}).encode()


def test_a_certificate_for_another_key_is_refused(
    impostor: tuple[str, type[Impostor]], keys: Path, tmp_path: Path, site: Site
) -> None:
    url, answers = impostor
    other = site.enrol(site.token())
    answers.answer = (201, {}, enrolled(other.cert_file.read_bytes()))

    with pytest.raises(Invalid, match="not cam-1's"):
        enrol(url, keys / "bootstrap", "token", "cam-1", "rpi5", tmp_path / "victim")

    assert not (tmp_path / "victim" / "identity" / "device.json").exists()


def test_a_certificate_of_another_authority_is_refused(
    impostor: tuple[str, type[Impostor]], keys: Path, tmp_path: Path
) -> None:
    url, answers = impostor
    answers.answer = (201, {}, enrolled(create_ca(tmp_path / "other").pem))

    with pytest.raises(Invalid, match="not the fleet's"):
        enrol(url, keys / "bootstrap", "token", "cam-1", "rpi5", tmp_path / "state")


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"\xff", b'{"v":2}', b"x" * 100_000, enrolled(b"no certificate"), b'{"mqtt":{"port":0}}'],
)
def test_an_answer_that_makes_no_sense_is_refused_as_malformed(
    impostor: tuple[str, type[Impostor]], keys: Path, tmp_path: Path, body: bytes
) -> None:
    url, answers = impostor
    answers.answer = (201, {}, body)

    with pytest.raises(Invalid):
        enrol(url, keys / "bootstrap", "token", "cam-1", "rpi5", tmp_path / "state")


@pytest.mark.parametrize(
    ("status", "headers", "after_s"),
    [(503, {"Retry-After": "7"}, 7.0), (429, {}, None), (500, {"Retry-After": "soon"}, None), (502, {}, None)],
)
def test_a_server_that_refuses_load_asks_to_come_back_later(
    impostor: tuple[str, type[Impostor]],
    keys: Path,
    tmp_path: Path,
    status: int,
    headers: dict[str, str],
    after_s: float | None,
) -> None:
    url, answers = impostor
    answers.answer = (status, headers, b"not even JSON")

    with pytest.raises(Unreachable) as caught:
        enrol(url, keys / "bootstrap", "token", "cam-1", "rpi5", tmp_path / "state")

    assert (caught.value.kind, caught.value.retry_after_s) == ("busy", after_s)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"kind": 5}'])
def test_a_refusal_without_words_still_says_that_it_is_one(
    impostor: tuple[str, type[Impostor]], keys: Path, tmp_path: Path, body: bytes
) -> None:
    url, answers = impostor
    answers.answer = (403, {}, body)

    with pytest.raises(ConfigError, match="answered 403"):
        enrol(url, keys / "bootstrap", "token", "cam-1", "rpi5", tmp_path / "state")


def test_no_private_key_is_in_anything_that_was_sent(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    honest = enrolling._ask
    monkeypatch.setattr(enrolling, "_ask", lambda url, ca, body: (sent.append(body), honest(url, ca, body))[1])

    identity = site.enrol(site.token())

    secret = identity.key().private_numbers().private_value.to_bytes(32, "big")
    [body] = sent
    assert b"PRIVATE" not in body
    request = x509.load_pem_x509_csr(json.loads(body)["csr"].encode())
    assert secret not in request.public_bytes(serialization.Encoding.DER)
