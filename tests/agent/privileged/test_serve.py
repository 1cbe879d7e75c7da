from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import threading
from pathlib import Path

import pytest

from surefoot_agent.ports import Piece
from surefoot_agent.privileged import serve
from surefoot_agent.privileged.serve import Server, uid_of
from surefoot_agent.privileged.talk import Gone, Reply, Request, Verb, Wire
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, InstallFailed
from surefoot_shared.release import Manifest
from tests.agent.apps import until
from tests.agent.privileged.rig import B as SLOT
from tests.agent.privileged.rig import Rig


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(str(path))
    return connection


def ask(connection: socket.socket, request: Request) -> Reply:
    there = Wire(connection)
    there.say(request)
    return wire.decode(Reply, there.receive(1 << 20), 1 << 20)


def ends(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_only_the_owner_may_open_the_socket(rig: Rig) -> None:
    assert stat.S_IMODE(os.stat(rig.folder.parent / "helper.sock").st_mode) == 0o600


def test_a_stranger_is_turned_away_unheard(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path / "other.sock", os.geteuid(), {"app": rig.steward})
    server.start()
    monkeypatch.setattr(server, "_uid", 12_345)
    monkeypatch.setattr(serve.os, "geteuid", lambda: 54_321)

    with connect(tmp_path / "other.sock") as stranger:
        assert ends(stranger)
    server.stop()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", 1 << 31),
        struct.pack(">I", 4) + b"null",
        struct.pack(">I", 2) + b"{}",
        struct.pack(">I", 40_000) + b"x" * 40_000,
    ],
)
def test_a_broken_frame_ends_its_connection_and_no_other(rig: Rig, raw: bytes) -> None:
    path = rig.folder.parent / "helper.sock"
    with connect(path) as good, connect(path) as bad:
        bad.sendall(raw)
        assert ends(bad)

        assert ask(good, Request(Verb.RUNNING, "app")).failure is None


def test_a_component_that_is_not_here_is_not_served(rig: Rig) -> None:
    with connect(rig.folder.parent / "helper.sock") as connection:
        failure = ask(connection, Request(Verb.RUNNING, "rootfs")).failure

    assert failure is not None
    assert failure.kind == "not_found"


def test_silent_connections_are_bounded_and_then_closed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.folder.parent / "helper.sock"
    monkeypatch.setattr(serve, "IDLE_S", 0.2)
    silent = [connect(path) for _ in range(serve.CONNECTIONS)]
    assert all(ends(connection) for connection in silent)

    def answers() -> bool:
        with connect(path) as late:
            try:
                return ask(late, Request(Verb.RUNNING, "app")).failure is None
            except Gone:
                return False

    until(answers, "a place for the next connection")
    for connection in silent:
        connection.close()


def test_a_client_that_hangs_in_a_file_keeps_nobody_out_of_the_lock(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    _, slots, trials, _ = rig.proxies()
    slots.begin(SLOT, manifest, rig.raws["1.1"])
    with connect(rig.folder.parent / "helper.sock") as hanging:
        assert ask(hanging, Request(Verb.WRITE, "app", slot=SLOT, piece=rig.piece("1.1", "version"))).offset == 0

        with trials.lock():
            assert trials.read() is None


def test_a_lost_connection_lets_go_of_the_lock(rig: Rig) -> None:
    from surefoot_agent import guard

    with connect(rig.folder.parent / "helper.sock") as connection:
        assert ask(connection, Request(Verb.LOCK, "app")).failure is None
        taken: list[bool] = []

        def take() -> None:
            with guard.trial_lock(rig.folder, 10.0):
                taken.append(True)

        thread = threading.Thread(target=take)
        thread.start()
    thread.join()

    assert taken == [True]


def test_a_proof_that_a_full_disk_cannot_hold_is_said_as_such(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = rig.publish("1.1", 101)
    _, slots, _, _ = rig.proxies()

    def full(*_given: object) -> Manifest:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rig.vault, "prove", full)
    with pytest.raises(InstallFailed, match="No space left on device") as refused:
        slots.begin(SLOT, manifest, rig.raws["1.1"])

    assert refused.value.kind == "slot_write_failed"


def test_a_lock_that_the_disk_refuses_ends_its_connection_and_no_other(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from surefoot_agent import guard

    def full(*_given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with connect(rig.folder.parent / "helper.sock") as other:
        with monkeypatch.context() as patched, connect(rig.folder.parent / "helper.sock") as connection:
            patched.setattr(guard, "trial_lock", full)
            Wire(connection).say(Request(Verb.LOCK, "app"))
            assert ends(connection)
        answered = ask(other, Request(Verb.LOCK, "app"))

    assert answered.failure is None
    until(lambda: "connection_broken error=[Errno 28]" in caplog.text, "the word of it")


def test_a_lock_that_is_taken_again_and_again_is_one_hold_of_a_minute(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "LOCK_S", 0.5)
    with connect(rig.folder.parent / "helper.sock") as connection:

        def ended() -> bool:
            try:
                return not ask(connection, Request(Verb.LOCK, "app")).yes
            except (Gone, OSError):
                return True

        until(ended, "the end of the hold")


def test_a_request_that_drips_in_holds_the_lock_no_longer_than_silence(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "LOCK_IDLE_S", 0.5)
    with connect(rig.folder.parent / "helper.sock") as connection:
        assert ask(connection, Request(Verb.LOCK, "app")).yes
        connection.sendall(struct.pack(">I", 10_000))
        connection.settimeout(0.05)

        def hung_up() -> bool:
            try:
                connection.send(b"x")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(hung_up, "the end of the connection")


@pytest.mark.parametrize("verb", sorted(serve.STREAMS))
def test_no_bytes_of_files_come_or_go_under_the_lock(rig: Rig, verb: Verb) -> None:
    with connect(rig.folder.parent / "helper.sock") as connection:
        assert ask(connection, Request(Verb.LOCK, "app")).yes
        Wire(connection).say(Request(verb, "app", piece=Piece("run", "0" * 64, 1, 0, 1)))

        assert ends(connection)


def test_one_manifest_is_taken_at_a_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.folder.parent / "helper.sock"
    manifest = rig.publish("1.1", 101)
    with rig.server._proving, connect(path) as second:
        monkeypatch.setattr(serve, "TALK_S", 0.2)
        Wire(second).say(Request(Verb.PROVE, "app", sizes=(serve.MANIFEST_LIMIT_BYTES, 1, 1)))

        assert ends(second)
    monkeypatch.undo()

    rig.proxies()[1].begin(SLOT, manifest, rig.raws["1.1"])  # whoever comes after is proved


def test_a_kernel_that_has_no_descriptor_or_thread_for_a_moment_does_not_end_the_listening(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "AGAIN_S", 0.01)
    server = Server(tmp_path / "other.sock", -1, {"app": rig.steward})
    server._socket = Poor(server._socket)  # type: ignore[assignment]
    starts = iter([RuntimeError("can't start new thread")])
    plain = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name != "privileged":
            for error in starts:
                raise error
        plain(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    server.start()

    with connect(tmp_path / "other.sock") as turned_away:
        assert ends(turned_away)
    with connect(tmp_path / "other.sock") as taken:
        assert ask(taken, Request(Verb.RUNNING, "app")).failure is None
    server.stop()


class Poor:
    """A listening socket for which there is no descriptor at first."""

    def __init__(self, real: socket.socket) -> None:
        self._real, self._wants = real, 2

    def accept(self) -> tuple[socket.socket, object]:
        if self._wants:
            self._wants -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._real.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def test_an_unknown_agent_user_is_named() -> None:
    assert uid_of("") == os.geteuid()
    with pytest.raises(ConfigError, match="nobody-of-this-name"):
        uid_of("nobody-of-this-name")
