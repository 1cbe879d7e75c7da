"""A child process that must keep running, tried with small programs of our own."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_server.broker import child as children
from surefoot_server.broker.child import Child, end_stale, free_port
from surefoot_shared.errors import ConfigError
from tests.server.house import until

pytestmark = pytest.mark.slow

LISTENS = """
import socket, sys, signal
signal.signal(signal.SIGHUP, lambda *_: print("reloaded", flush=True))
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    s.accept()[0].close()
"""
DIES = "import sys; print('the disk is full'); sys.exit(3)"
STUBBORN = LISTENS.replace('print("listening"', 'signal.signal(signal.SIGTERM, signal.SIG_IGN); print("listening"')


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    made: list[Child] = []

    def make(program: str) -> Child:
        conf, port = tmp_path / "program.conf", free_port("127.0.0.1", 0)
        conf.write_text("")
        child = Child("program", [sys.executable, "-c", program, str(port), str(conf)], conf, ("127.0.0.1", port))
        made.append(child)
        return child

    yield make
    for child in made:
        child.stop()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_started_child_listens_and_a_stopped_one_is_gone(start: Callable[[str], Child], tmp_path: Path) -> None:
    child = start(LISTENS)
    child.start()
    pid = child.pid
    assert pid is not None
    assert child.accepts()

    child.stop()

    assert not alive(pid)
    assert not (tmp_path / "program.pid").exists()


def test_a_child_that_is_killed_is_started_again(start: Callable[[str], Child]) -> None:
    child = start(LISTENS)
    child.start()
    first = child.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    until(lambda: child.pid not in (None, first) and child.accepts())
    assert child.restarts == 1


def test_a_child_that_dies_at_once_is_told_with_its_last_words(start: Callable[[str], Child]) -> None:
    with pytest.raises(ConfigError, match="program did not start: the disk is full"):
        start(DIES).start()


def test_a_child_that_never_listens_is_given_up(start: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "READY_S", 0.3)
    child = start("import time; time.sleep(60)")

    with pytest.raises(ConfigError, match="it said nothing"):
        child.start()

    assert child.pid is None


def test_a_child_that_ignores_the_request_to_end_is_killed(
    start: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "STOP_S", 0.3)
    child = start(STUBBORN)
    child.start()
    pid = child.pid
    assert pid is not None
    until(lambda: "listening" in child._tail)

    child.stop()

    assert not alive(pid)


def test_reload_is_a_hangup_signal(start: Callable[[str], Child]) -> None:
    child = start(LISTENS)
    child.start()
    until(lambda: "listening" in child._tail)

    child.reload()

    until(lambda: "reloaded" in child._tail)
    assert child.pid is not None


def test_words_that_are_expected_are_for_debugging_only(
    start: Callable[[str], Child], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    child = start(LISTENS)
    child._expected = ("relo",)
    child.start()
    child.reload()
    until(lambda: "reloaded" in child._tail)
    child.stop()

    levels = {r.getMessage().rpartition("line=")[2]: r.levelno for r in caplog.records if "line=" in r.getMessage()}
    assert levels == {"listening": logging.INFO, "reloaded": logging.DEBUG}


def test_what_a_killed_server_left_behind_is_ended(tmp_path: Path) -> None:
    conf, pid_file = tmp_path / "program.conf", tmp_path / "program.pid"
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(conf)])
    pid_file.write_text(str(orphan.pid))
    threading.Thread(target=orphan.wait, daemon=True).start()

    end_stale(pid_file, conf)

    assert not alive(orphan.pid)


def test_a_process_that_is_not_provably_ours_is_left_alone(tmp_path: Path) -> None:
    pid_file = tmp_path / "program.pid"
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "/other/program.conf"])
    pid_file.write_text(str(bystander.pid))

    try:
        end_stale(pid_file, tmp_path / "program.conf")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("text", ["", "not a number", "999999999"])
def test_a_stale_pid_file_without_a_process_is_no_trouble(tmp_path: Path, text: str) -> None:
    pid_file = tmp_path / "program.pid"
    pid_file.write_text(text)

    end_stale(pid_file, tmp_path / "program.conf")
    end_stale(tmp_path / "missing.pid", tmp_path / "program.conf")

    assert pid_file.read_text() == text


def test_a_taken_port_is_named() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=f"Port {port} on 127.0.0.1") as caught:
            free_port("127.0.0.1", port)

    assert caught.value.kind == "port_in_use"
    assert free_port("127.0.0.1", port) == port
