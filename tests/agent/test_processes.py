from __future__ import annotations

import os
import socket
from pathlib import Path

from surefoot_agent import guard, processes


def test_the_holder_of_a_listening_port_is_told_from_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert processes.listens(port, [1 << 22, os.getpid()])
        assert not processes.listens(port, [1 << 22])
        assert not processes.listens(port, [])


def test_a_port_nobody_listens_on_is_held_by_nobody() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))

        assert not processes.listens(bound.getsockname()[1], [os.getpid()])


def test_a_listener_on_ipv6_is_found_too() -> None:
    if not socket.has_dualstack_ipv6():
        return
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        assert processes.listens(server.getsockname()[1], [os.getpid()])


def test_a_connection_is_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert not processes.listens(client.getsockname()[1], [os.getpid()])


def test_a_process_outside_the_slot_is_not_proved(tmp_path: Path) -> None:
    own = guard.AppRecord("s", os.getpid(), guard.start_ticks(os.getpid()) or 0, guard.boot_id(), "A", (), "/")

    assert processes.proved(own, tmp_path) is None


def test_a_process_that_is_gone_is_not_proved(tmp_path: Path) -> None:
    assert processes.proved(guard.AppRecord("s", 1 << 22, 1, guard.boot_id(), "A", (), "/"), tmp_path) is None


def test_a_neighbouring_folder_with_the_same_beginning_is_not_the_slot(tmp_path: Path) -> None:
    assert not processes._inside(f"{tmp_path}/slots/A.old/bin", tmp_path / "slots/A")


def test_processes_of_another_user_are_answered_for_by_their_witness() -> None:
    class Watched(tuple[int, ...]):
        def listens(self, port: int) -> bool:
            return port == 8080

    assert processes.listens(8080, Watched((1,)))
    assert not processes.listens(8081, Watched((1,)))
