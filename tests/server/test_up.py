"""From an empty folder to serving, and down again."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from surefoot_agent.downlink import AckArrived, BundleArrived, Connected
from surefoot_agent.enrol import enrol
from surefoot_agent.link import Link
from surefoot_server.config import Settings
from surefoot_server.stopping import Stop
from surefoot_server.up import Ready, run_up
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError
from surefoot_shared.identity import seal
from surefoot_shared.messages import PresenceMessage
from surefoot_shared.seals import SealKind
from surefoot_shared.status import Presence
from surefoot_shared.trust.bundle import unpack
from tests.server.rig import digest, hello, runs

WAIT_S = 40
ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
from surefoot_server.config import load
from surefoot_server.up import run_up

names = ("data_dir", "keys_dir", "api_port", "device_port", "mqtt_port")
given = dict(zip(names, [*sys.argv[1:3], *map(int, sys.argv[3:])]))
run_up(load(dirs=(), given=given), lambda ready: print(ready.text(), flush=True))
print("down", flush=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(tmp_path: Path, keys_dir: Path) -> Settings:
    ports = {name: free_port() for name in ("api_port", "device_port", "mqtt_port")}
    return Settings(data_dir=tmp_path / "data", keys_dir=keys_dir, tick_s=0.1, **ports)  # type: ignore[arg-type]


@contextmanager
def up(settings: Settings) -> Iterator[Ready]:
    """The server in a thread of this process."""
    stop, ready, errors = Stop(), threading.Event(), []
    told: list[Ready] = []

    def on_ready(what: Ready) -> None:
        told.append(what)
        ready.set()

    def run() -> None:
        try:
            run_up(settings, on_ready, stop)
        except Exception as error:
            errors.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(WAIT_S)
        if errors:
            raise errors[0]
        yield told[0]
    finally:
        stop.set()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def token(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.token_file.read_text().strip()}"}


@pytest.mark.slow
def test_one_call_serves_operators_and_devices(settings: Settings) -> None:
    with up(settings) as ready:
        health = httpx.get(f"{settings.api_url}/healthz")
        devices = httpx.get(f"{settings.api_url}/api/v1/devices", headers=token(settings))
        trust = ssl.create_default_context(cafile=str(settings.data_dir / "pki" / "ca.pem"))
        blob = httpx.get(f"{ready.device_url}/api/v1/blobs/{'0' * 64}", verify=trust)

    assert (health.status_code, devices.json(), blob.status_code) == (200, [], 401)
    assert settings.token_file.stat().st_mode & 0o777 == 0o600
    assert settings.secrets_dir.stat().st_mode & 0o777 == 0o700
    assert str(settings.token_file) in ready.text()
    assert f":{settings.mqtt_port}" in ready.text()


@pytest.mark.slow
def test_the_offline_keys_are_not_needed_and_not_copied(settings: Settings) -> None:
    shutil.rmtree(settings.keys_dir / "offline")

    with up(settings):
        pass

    assert [p for p in settings.data_dir.rglob("*") if "image-root" in p.name or "release" in p.name] == []


@pytest.mark.slow
def test_a_second_server_on_the_same_data_is_refused(settings: Settings) -> None:
    with up(settings), pytest.raises(ConfigError) as refused:
        run_up(settings, lambda _: None)

    assert refused.value.kind == "already_running"


@pytest.mark.parametrize("which", ["api_port", "device_port", "mqtt_port"])
def test_a_taken_port_is_named_and_nothing_is_left_running(settings: Settings, which: str) -> None:
    port = getattr(settings, which)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ConfigError) as refused:
            run_up(settings, lambda _: None)

    assert refused.value.kind == "port_in_use"
    assert str(port) in refused.value.message
    assert not [t.name for t in threading.enumerate() if t.name in ("delivery", "gateway-connection")]


def test_missing_keys_are_said_before_anything_runs(settings: Settings) -> None:
    shutil.rmtree(settings.keys_dir)

    with pytest.raises(ConfigError) as refused:
        run_up(settings, lambda _: None)

    assert refused.value.kind == "key_missing"


def test_garbage_in_the_place_of_the_database_is_said_in_one_sentence(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "surefoot.db").write_bytes(b"garbage" * 1000)

    with pytest.raises(ConfigError, match=r"surefoot\.db is not a database of Surefoot; restore it from a backup"):
        run_up(settings, lambda _: None)


def test_a_data_folder_that_cannot_be_made_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(ConfigError, match="data"):
        run_up(settings, lambda _: None)


@contextmanager
def process(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """The server as a process of its own, serving."""
    ports = [str(port) for port in (settings.api_port, settings.device_port, settings.mqtt_port)]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(settings.data_dir), str(settings.keys_dir), *ports],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("Surefoot is up.")
        while not child.stdout.readline().strip().startswith("Token file"):
            pass
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly_within_seconds(settings: Settings, number: signal.Signals, code: int) -> None:
    with process(settings) as child:
        began = time.monotonic()
        child.send_signal(number)

        assert child.wait(WAIT_S) in (code, -number)  # an interpreter that ends by KeyboardInterrupt dies of SIGINT

        assert time.monotonic() - began < 10
        for port in (settings.api_port, settings.device_port, settings.mqtt_port):
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.slow
def test_what_was_stored_is_there_after_a_kill(settings: Settings) -> None:
    with process(settings) as child:
        body = {"name": "lab", "expression": "tag('lab')"}
        made = httpx.post(f"{settings.api_url}/api/v1/cohorts", json=body, headers=token(settings))
        assert made.status_code == 201
        child.kill()
        child.wait()

    with up(settings):
        found = httpx.get(f"{settings.api_url}/api/v1/cohorts", headers=token(settings)).json()
        chain = httpx.get(f"{settings.api_url}/api/v1/audit/verify", headers=token(settings)).json()

    assert [c["name"] for c in found] == ["lab"]
    assert chain["whole"] is True


@pytest.mark.slow
def test_a_node_enrols_says_hello_and_is_told_what_is_wanted(settings: Settings, tmp_path: Path) -> None:
    with up(settings):
        made = api(settings, "POST", "enrol-tokens", {"auto_approve": True})
        state_dir, bootstrap = tmp_path / "node", settings.keys_dir / "bootstrap"
        identity = enrol(settings.device_url, bootstrap, made["token"], "cam-1", "rpi5", state_dir)
        heard: queue.Queue[object] = queue.Queue()
        link = Link(identity, heard.put, wire.encode(PresenceMessage(Presence.ONLINE, "i1")))
        link.start()
        try:
            assert _next(heard, Connected)
            said = wire.encode(hello("cam-1", components=(runs("app/1.0"),)))
            link.publish("hello", wire.encode(seal(SealKind.HELLO, said, identity.key())))
            bundle, ack = _next(heard, BundleArrived, raw=True), _next(heard, AckArrived)
            shown = api(settings, "GET", "devices/cam-1")
            why = api(settings, "GET", "devices/cam-1/why")
        finally:
            link.stop()

    assert unpack(bundle.raw).device == "cam-1"
    assert ack.ack.stream == "s1"
    assert (shown["components"][0]["digest"], shown["online"]) == (digest("app/1.0"), True)
    assert why["kind"] == "nothing_wanted"


def api(settings: Settings, method: str, path: str, body: object = None) -> Any:
    answer = httpx.request(method, f"{settings.api_url}/api/v1/{path}", json=body, headers=token(settings))
    assert answer.status_code < 300, answer.text
    return answer.json()


def _next(heard: queue.Queue[object], kind: type[Any], raw: bool = False) -> Any:
    """The next event of the kind; a bundle that only clears an old one is passed over."""
    while True:
        event = heard.get(timeout=WAIT_S)
        if isinstance(event, kind) and (not raw or event.raw):
            return event
