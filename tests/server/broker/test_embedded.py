"""The embedded broker's own duties; what it shares with mosquitto is in test_acl.py."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_server.broker.child import free_port
from surefoot_server.broker.embedded import CappedReader, broker_config, certified_name, read_settings
from surefoot_server.broker.mosquitto import PACKET_LIMIT_BYTES
from surefoot_server.broker.start import RunningBroker, start_broker
from surefoot_server.pki.ca import CertificateAuthority, create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_shared.identity import generate_key, key_to_pem
from tests.server.broker.rig import request as csr
from tests.server.house import until

CONNECT_KEEPALIVE_1 = bytes.fromhex("101100044d51545404020001000563616d2d31")


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return create_ca(tmp_path / "ca")


@pytest.fixture
def pki(tmp_path: Path, ca: CertificateAuthority) -> PkiFiles:
    return prepare_pki(tmp_path / "pki", ca, ["127.0.0.1"])


@pytest.fixture
def broker(tmp_path: Path, pki: PkiFiles) -> Iterator[RunningBroker]:
    running = start_broker(tmp_path, "127.0.0.1", 0, pki, prefer="embedded")
    yield running
    running.stop()


@pytest.mark.slow
def test_it_says_how_many_devices_it_is_good_for(broker: RunningBroker) -> None:
    until(lambda: any("about 100 devices" in line for line in broker.child._tail))

    assert "about 100 devices" in broker.notice
    assert broker.protocol == 4


@pytest.mark.slow
def test_it_demands_a_certificate_before_it_speaks_mqtt(broker: RunningBroker, pki: PkiFiles) -> None:
    context = ssl.create_default_context(cafile=str(pki.ca))

    answer = b""
    with socket.create_connection((broker.host, broker.port), 10) as plain, contextlib.suppress(OSError):
        tls = context.wrap_socket(plain, server_hostname="127.0.0.1")
        tls.sendall(CONNECT_KEEPALIVE_1)
        answer = tls.recv(4)

    assert answer == b"", "a CONNACK came without a certificate"


@pytest.mark.slow
def test_it_ends_when_the_server_that_started_it_is_gone(tmp_path: Path, pki: PkiFiles) -> None:
    conf, port = tmp_path / "embedded.json", free_port("127.0.0.1", 0)
    facts = {"host": "127.0.0.1", "port": port, "denied": []}
    conf.write_text(json.dumps(facts | {"ca": str(pki.ca), "cert": str(pki.server_cert), "key": str(pki.server_key)}))
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-m', 'surefoot_server.broker.embedded', sys.argv[1]])\n"
            "print(child.pid, flush=True)\n"
            "time.sleep(600)",
            str(conf),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(lambda: _accepts(port))

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    until(lambda: not _accepts(port))
    parent.stdout.close()
    assert not Path(f"/proc/{pid}").exists() or not _accepts(port)


@pytest.mark.slow
def test_a_client_that_falls_silent_is_dropped(broker: RunningBroker, pki: PkiFiles, ca: CertificateAuthority) -> None:
    key = generate_key()
    folder = pki.ca.parent
    (folder / "cam.key").write_bytes(key_to_pem(key))
    (folder / "cam.crt").write_bytes(ca.issue_device(csr("cam-1", key), "cam-1"))
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.load_cert_chain(folder / "cam.crt", folder / "cam.key")

    with (
        socket.create_connection((broker.host, broker.port), 40) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(CONNECT_KEEPALIVE_1)
        connack = tls.recv(4)
        end = tls.recv(4)

    assert connack == bytes.fromhex("20020000")
    assert end == b"", "the broker closed the connection after the keepalive"


def test_a_reader_ends_at_the_first_piece_beyond_the_cap() -> None:
    async def read() -> tuple[bytes, bytes, bytes]:
        stream = asyncio.StreamReader()
        stream.feed_data(b"x" * 100)
        reader = CappedReader(stream)
        return await reader.read(10), await reader.read(PACKET_LIMIT_BYTES + 1), await reader.read(10)

    assert asyncio.run(read()) == (b"x" * 10, b"", b"")


def test_a_connection_without_tls_has_no_name() -> None:
    assert certified_name(None) is None


def test_its_configuration_has_one_listener_with_tls_and_our_two_plugins(tmp_path: Path) -> None:
    conf = tmp_path / "embedded.json"
    conf.write_text(json.dumps({"host": "::1", "port": 8883, "ca": "c", "cert": "s", "key": "k", "denied": ["cam-9"]}))

    settings = read_settings(conf)
    config = broker_config(settings)

    assert settings.denied == {"cam-9"}
    assert list(config["listeners"]) == ["default"]
    assert (config["listeners"]["default"]["ssl"], config["listeners"]["default"]["bind"]) == (True, "[::1]:8883")
    assert [name.rpartition(".")[2] for name in config["plugins"]] == ["CertificateAuth", "TableAcl"]


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
