"""The ports are free, differ, and are none that an outgoing connection could take meanwhile."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from surefoot_simulators.demo import ports
from surefoot_simulators.demo.ports import LOWEST, free_ports


def test_the_ports_are_free_and_differ() -> None:
    found = free_ports(20)

    assert len(set(found)) == 20
    for port in found:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_they_lie_below_the_kernels_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "range").write_text("20000\t60999\n")
    monkeypatch.setattr(ports, "RANGE", tmp_path / "range")

    assert all(LOWEST <= port < 20_000 for port in free_ports(50))


@pytest.mark.parametrize("text", ["1024 65535", "", "nonsense"])
def test_a_kernel_that_leaves_no_room_below_or_says_nothing_still_gives_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "range").write_text(text)
    monkeypatch.setattr(ports, "RANGE", tmp_path / "range")

    assert len(set(free_ports(5))) == 5


def test_a_machine_without_a_free_port_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        monkeypatch.setattr(ports, "LOWEST", holder.getsockname()[1])
        (tmp_path / "range").write_text("1 2")
        monkeypatch.setattr(ports, "RANGE", tmp_path / "range")
        monkeypatch.setattr(ports.secrets, "randbelow", lambda _: 0)

        with pytest.raises(OSError, match="no 1 free ports"):
            free_ports(1)
