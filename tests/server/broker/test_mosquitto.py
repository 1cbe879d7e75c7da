"""What mosquitto is told, and as whom it runs."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_server.broker.acl import ShutOut
from surefoot_server.broker.mosquitto import USER, choose_user, program, render, write_files
from surefoot_server.broker.start import start_broker
from surefoot_server.pki.ca import create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles


@pytest.fixture
def pki(tmp_path: Path) -> PkiFiles:
    return prepare_pki(tmp_path / "pki", create_ca(tmp_path / "ca"), ["127.0.0.1"])


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that any user may pass to; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "line",
    [
        "listener 8883 127.0.0.1",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        "tls_version tlsv1.2",
        "max_packet_size 300144",
        "max_queued_bytes 67108864",
        "max_keepalive 600",
        "set_tcp_nodelay true",
        "persistence true",
        "persistence_location /data/broker/",
        "acl_file /data/broker/acl",
    ],
)
def test_the_configuration_says(line: str) -> None:
    assert line in render(Path("/data/broker"), "127.0.0.1", 8883, None).splitlines()


def test_there_is_one_listener_and_it_speaks_tls() -> None:
    lines = render(Path("/data/broker"), "0.0.0.0", 8883, None).splitlines()

    assert [line for line in lines if line.startswith(("listener", "port ", "bind_address"))] == [
        "listener 8883 0.0.0.0"
    ]
    assert "certfile /data/broker/server.crt" in lines
    assert not any(line.startswith(("password_file", "plugin", "psk")) for line in lines)


@pytest.mark.parametrize(
    ("euid", "exists", "can_reach", "user"),
    [
        (1000, True, True, None),
        (1000, False, False, None),
        (0, True, True, USER),
        (0, True, False, "root"),
        (0, False, True, "root"),
    ],
)
def test_it_gives_up_root_where_it_can(euid: int, exists: bool, can_reach: bool, user: str | None) -> None:
    assert choose_user(euid, exists, can_reach) == user
    expected = [] if user is None else [f"user {user}"]
    assert [line for line in render(Path("/d"), "h", 1, user).splitlines() if line.startswith("user ")] == expected


def test_every_file_it_reads_is_its_owners_alone(pki: PkiFiles, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir(mode=0o700)

    files = write_files(folder, "127.0.0.1", 8883, pki, ShutOut(frozenset({"cam-9"})))

    assert {oct(stat.S_IMODE(p.stat().st_mode)) for p in folder.iterdir()} == {"0o600"}
    assert {p.name for p in folder.iterdir()} == {"mosquitto.conf", "acl", "ca.pem", "server.crt", "server.key"}
    assert "user cam-9" in files.acl.read_text()


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_started_by_root_it_runs_as_its_own_user_and_else_as_ours(pki: PkiFiles, reachable: Path) -> None:
    broker = start_broker(reachable, "127.0.0.1", 0, pki, prefer="mosquitto")
    broker.deny(["cam-9"])

    try:
        owner = Path(f"/proc/{broker.child.pid}").stat().st_uid
    finally:
        broker.stop()

    wanted = pwd.getpwnam(USER).pw_uid if os.geteuid() == 0 else os.geteuid()
    assert owner == wanted
    assert (reachable / "broker" / "acl").stat().st_uid == wanted


@pytest.mark.needs("mosquitto")
def test_the_program_is_found_though_sbin_is_not_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    found = program()
    monkeypatch.setenv("PATH", "/nowhere")

    assert found is not None
    assert program() is not None or not found.startswith("/usr/sbin")
